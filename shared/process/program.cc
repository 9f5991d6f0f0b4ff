// SPDX-License-Identifier: Apache-2.0
#include "shared/process/program.h"

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/process/allocator.h"
#include "shared/process/config_file.h"
#include "shared/process/descriptors.h"
#include "shared/process/signals.h"
#include "shared/process/version.h"

namespace reelsight::process {
void ConfigurationFlags::Define(CLI::App& app) {
  app_ = &app;
  app.add_option("--config,-c", config_file_,
                 absl::StrCat("Configuration file, protobuf text format (or ", EnvironmentName("config"), ")"))
      ->type_name("FILE");
  app.add_flag("--check_config,--check-config", check_only_, "Check flags, environment and configuration, then exit");
  for (const Setting& setting : info_.settings) {
    app.add_option(absl::StrCat("--", setting.flag, setting.other_names.empty() ? "" : ",", setting.other_names),
                   values_[setting.flag], absl::StrCat(setting.help, " (or ", EnvironmentName(setting.flag), ")"))
        ->type_name(setting.value_name)
        ->join(',');
  }
  app.footer(
      absl::StrCat("A flag beats the environment, the environment beats the file.\n\nExamples:\n", info_.examples));
}

absl::Status ConfigurationFlags::ReadInto(google::protobuf::Message* config, const GetEnvironment& environment) const {
  const std::string file = config_file_.empty() ? environment(EnvironmentName("config")).value_or("") : config_file_;
  if (!file.empty()) RETURN_IF_ERROR(LoadConfigFile(file, config));
  RETURN_IF_ERROR(ApplyEnvironment(info_.settings, environment, config));
  for (const Setting& setting : info_.settings) {
    const std::string flag = "--" + setting.flag;
    const size_t count = app_->get_option(flag)->count();
    if (count == 0) continue;
    if (count > 1 && !IsList(setting, *config)) {
      return absl::InvalidArgumentError(absl::StrCat(flag, " is given ", count, " times; give it once"));
    }
    RETURN_IF_ERROR(ApplySetting(setting, values_.at(setting.flag), flag, config));
  }
  return absl::OkStatus();
}

int ConfigurationFlags::Run(google::protobuf::Message* config, const std::function<absl::Status()>& prepare,
                            const std::function<absl::Status()>& run) const {
  const auto fail = [&](const absl::Status& status, int exit_status) {
    std::cerr << info_.name << ": " << status.message() << std::endl;
    return exit_status;
  };
  if (const absl::Status status = ReadInto(config); !status.ok()) return fail(status, 2);
  if (const absl::Status status = prepare(); !status.ok()) return fail(status, 2);
  if (check_only_) {
    std::cout << info_.name << ": the configuration is good" << std::endl;
    return 0;
  }
  try {
    if (const absl::Status status = run(); !status.ok()) return fail(status, 1);
  } catch (const std::exception& error) {
    return fail(absl::InternalError(absl::StrCat("unexpected failure: ", error.what())), 1);
  }
  return 0;
}

void PrepareProcess() {
  LimitArenas();
  BlockSignals();
  RaiseDescriptorLimit();
}

int RunProgram(const ProgramInfo& info, int argc, const char* const* argv, google::protobuf::Message* config,
               const std::function<absl::Status()>& prepare, const std::function<absl::Status()>& run) {
  PrepareProcess();
  ConfigurationFlags flags(info);
  CLI::App app(info.description, info.name);
  app.set_version_flag("--version", absl::StrCat(info.name, " ", Version()), "Print the version");
  flags.Define(app);
  // The library tells everything by exceptions.
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help() << std::flush;
    return 0;
  } catch (const CLI::CallForVersion&) {
    std::cout << info.name << " " << Version() << std::endl;
    return 0;
  } catch (const CLI::ParseError& error) {
    std::cerr << info.name << ": " << error.what() << "; see " << info.name << " --help" << std::endl;
    return 2;
  }
  return flags.Run(config, prepare, run);
}

}  // namespace reelsight::process
