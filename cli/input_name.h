// SPDX-License-Identifier: Apache-2.0
//
// What an input of a command is called in messages, documents and reports.
#pragma once

#include <string>

namespace reelsight::cli {

// A file that is there by its name; anything else as others may see it, without user, password and query. `-` is
// `stdin`.
std::string DisplayName(const std::string& input);

}  // namespace reelsight::cli
