// SPDX-License-Identifier: Apache-2.0
//
// Shell completion scripts, made from a plain description of the program's commands.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace reelsight::cli {

struct FlagDescription {
  // With dashes: `--format`, `-f`.
  std::vector<std::string> names;
  std::string help;
  // True if a value follows.
  bool takes_value = false;
  // Values to offer; empty: file names, where a value follows.
  std::vector<std::string> values;
};

struct CommandDescription {
  std::string name;
  std::string help;
  std::vector<FlagDescription> flags;
  // Words to offer as arguments; empty: file names.
  std::vector<std::string> words;
};

// The script for `shell`: bash, zsh or fish. INVALID_ARGUMENT for another one.
absl::StatusOr<std::string> CompletionScript(const std::string& shell, const std::vector<CommandDescription>& commands);

}  // namespace reelsight::cli
