// SPDX-License-Identifier: Apache-2.0
//
// What every server program does before and around its work: flags, environment, configuration file, --help, --version,
// --check_config, signals, exit status.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "shared/process/settings.h"

namespace CLI {
class App;
}

namespace reelsight::process {

struct ProgramInfo {
  // As users call it, for instance `reelsight-lightweight`.
  std::string name;
  // What it does, in one line.
  std::string description;
  // Lines shown below the flags by --help.
  std::string examples;
  std::vector<Setting> settings;
};

// The flags of a program's configuration, on the parser of a program or of one command of `reelsight`. Defined before
// the command line is parsed, and read after it; outlives the parser.
class ConfigurationFlags {
 public:
  explicit ConfigurationFlags(ProgramInfo info) : info_(std::move(info)) {}
  ConfigurationFlags(const ConfigurationFlags&) = delete;
  ConfigurationFlags& operator=(const ConfigurationFlags&) = delete;

  // Adds --config, --check_config, a flag for each setting, and the examples.
  void Define(CLI::App& app);
  // Reads the flags, the environment and the file that --config or REELSIGHT_CONFIG names into `*config`. A flag beats
  // the environment, that the file, that what `*config` held before. INVALID_ARGUMENT, NOT_FOUND or PERMISSION_DENIED,
  // saying where the fault is.
  absl::Status ReadInto(google::protobuf::Message* config,
                        const GetEnvironment& environment = ProcessEnvironment) const;

  // Calls `prepare` (fill defaults, check), and then `run`, unless the flags ask for the check alone. Errors go to
  // standard error. Returns the exit status: 0 good, 1 `run` failed, 2 wrong usage or configuration.
  int Run(google::protobuf::Message* config, const std::function<absl::Status()>& prepare,
          const std::function<absl::Status()>& run) const;

  const ProgramInfo& info() const { return info_; }

 private:
  const ProgramInfo info_;
  CLI::App* app_ = nullptr;
  std::string config_file_;
  bool check_only_ = false;
  // By flag. What is given several times is joined by commas.
  std::map<std::string, std::string> values_;
};

// A whole main function: blocks signals, reads the configuration, and runs as ConfigurationFlags::Run; --help and
// --version answer on standard output. Returns the exit status.
int RunProgram(const ProgramInfo& info, int argc, const char* const* argv, google::protobuf::Message* config,
               const std::function<absl::Status()>& prepare, const std::function<absl::Status()>& run);

// What is done before the first thread starts, in any server: signals are kept for whoever waits for them, the limit of
// descriptors is raised, arenas of memory are bounded.
void PrepareProcess();

}  // namespace reelsight::process
