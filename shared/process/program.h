// SPDX-License-Identifier: Apache-2.0
//
// What every server program does before and around its work: flags, environment, configuration file, --help, --version,
// --check_config, signals, exit status.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "shared/process/settings.h"

namespace reelsight::process {

struct ProgramInfo {
  // For instance `reelsight-lightweight`.
  std::string name;
  // What it does, in one line.
  std::string description;
  // Lines shown below the flags by --help.
  std::string examples;
  std::vector<Setting> settings;
};

// What a command line asks for.
struct CommandLine {
  enum class Action { kRun, kCheckConfig, kHelp, kVersion };
  Action action = Action::kRun;
  // Text of --help or --version.
  std::string text;
};

// Reads the command line, the environment and the file that --config or REELSIGHT_CONFIG names into `*config`. A flag
// beats the environment, that the file, that what `*config` held before. INVALID_ARGUMENT, NOT_FOUND or
// PERMISSION_DENIED, saying where the fault is.
absl::StatusOr<CommandLine> ReadConfiguration(const ProgramInfo& info, int argc, const char* const* argv,
                                              const GetEnvironment& environment, google::protobuf::Message* config);

// A whole main function: blocks signals, reads the configuration, calls `prepare` (fill defaults, check), and then
// `run`, unless the command line asked for something else. Errors go to standard error. Returns the exit status: 0
// good, 1 `run` failed, 2 wrong usage or configuration.
int RunProgram(const ProgramInfo& info, int argc, const char* const* argv, google::protobuf::Message* config,
               const std::function<absl::Status()>& prepare, const std::function<absl::Status()>& run);

}  // namespace reelsight::process
