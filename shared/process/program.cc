// SPDX-License-Identifier: Apache-2.0
#include "shared/process/program.h"

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/process/allocator.h"
#include "shared/process/config_file.h"
#include "shared/process/descriptors.h"
#include "shared/process/signals.h"
#include "shared/process/version.h"

namespace reelsight::process {

absl::StatusOr<CommandLine> ReadConfiguration(const ProgramInfo& info, int argc, const char* const* argv,
                                              const GetEnvironment& environment, google::protobuf::Message* config) {
  CLI::App app(info.description, info.name);
  std::string config_file = environment(EnvironmentName("config")).value_or("");
  bool check_config = false;
  app.add_option("--config", config_file, "Configuration file (protobuf text format)");
  app.add_flag("--check_config", check_config, "Check flags, environment and configuration, then exit");
  app.set_version_flag("--version", absl::StrCat(info.name, " ", Version()), "Print the version");
  std::map<std::string, std::string> values;
  for (const Setting& setting : info.settings) {
    app.add_option("--" + setting.flag, values[setting.flag],
                   absl::StrCat(setting.help, " (or ", EnvironmentName(setting.flag), ")"));
  }
  app.footer(
      absl::StrCat("A flag beats the environment, the environment beats the file.\n\nExamples:\n", info.examples));
  // The library tells everything by exceptions.
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return CommandLine{CommandLine::Action::kHelp, app.help()};
  } catch (const CLI::CallForVersion&) {
    return CommandLine{CommandLine::Action::kVersion, absl::StrCat(info.name, " ", Version(), "\n")};
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(absl::StrCat(error.what(), "; see ", info.name, " --help"));
  }
  if (!config_file.empty()) RETURN_IF_ERROR(LoadConfigFile(config_file, config));
  RETURN_IF_ERROR(ApplyEnvironment(info.settings, environment, config));
  for (const Setting& setting : info.settings) {
    const std::string flag = "--" + setting.flag;
    if (app.get_option(flag)->count() > 0) {
      RETURN_IF_ERROR(SetField(setting.field, values[setting.flag], flag, config));
    }
  }
  return CommandLine{check_config ? CommandLine::Action::kCheckConfig : CommandLine::Action::kRun, ""};
}

int RunProgram(const ProgramInfo& info, int argc, const char* const* argv, google::protobuf::Message* config,
               const std::function<absl::Status()>& prepare, const std::function<absl::Status()>& run) {
  LimitArenas();
  BlockSignals();
  RaiseDescriptorLimit();
  const auto fail = [&](const absl::Status& status, int exit_status) {
    std::cerr << info.name << ": " << status.message() << std::endl;
    return exit_status;
  };
  const absl::StatusOr<CommandLine> command_line = ReadConfiguration(info, argc, argv, ProcessEnvironment, config);
  if (!command_line.ok()) return fail(command_line.status(), 2);
  if (!command_line->text.empty()) {
    std::cout << command_line->text << std::flush;
    return 0;
  }
  if (const absl::Status status = prepare(); !status.ok()) return fail(status, 2);
  if (command_line->action == CommandLine::Action::kCheckConfig) {
    std::cout << info.name << ": the configuration is good" << std::endl;
    return 0;
  }
  try {
    if (const absl::Status status = run(); !status.ok()) return fail(status, 1);
  } catch (const std::exception& error) {
    return fail(absl::InternalError(absl::StrCat("unexpected failure: ", error.what())), 1);
  }
  return 0;
}

}  // namespace reelsight::process
