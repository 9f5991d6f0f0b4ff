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
  enum class Value {
    kNone,
    // Something nobody can guess.
    kText,
    kFile,
    kFolder,
    // One of `words`.
    kWord,
    // Some of `words`, by commas.
    kWordList,
    // One of `words` and what the user writes behind it.
    kPrefix,
  };
  // What follows the flag.
  Value value = Value::kNone;
  std::vector<std::string> words;
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
