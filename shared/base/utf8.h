// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace reelsight {

// `text` with each byte that is not part of valid UTF-8 replaced by `replacement`. Strings of protobuf messages must be
// valid, or their receivers refuse the whole message; file names and messages of libraries need not be.
std::string ValidUtf8(std::string_view text, std::string_view replacement = "?");

}  // namespace reelsight
