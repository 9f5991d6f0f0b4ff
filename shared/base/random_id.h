// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace reelsight {

// 128 bits of the system's randomness, which nobody can guess, as 32 lower case hexadecimal digits. Thread-safe. Ends
// the process where the system has none to give: an id that can be guessed opens what belongs to somebody else.
std::string RandomId();

}  // namespace reelsight
