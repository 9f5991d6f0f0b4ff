// SPDX-License-Identifier: Apache-2.0
//
// Flags and environment variables that stand for fields of a configuration message.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace reelsight::process {

// One field that can also be set by `--flag` and by the environment variable REELSIGHT_FLAG.
struct Setting {
  // Lower case with underscores, for instance `listen_address`.
  std::string flag;
  // Path of a scalar or repeated string field, for instance `server.listen_address`.
  std::string field;
  std::string help;
  // What --help shows for the value, and shells complete: `TEXT`, `N`, `HOST:PORT`, `FILE`, `PATH`. `FOLDER`: one that
  // a flag names must exist, and may be relative to the current folder.
  std::string value_name = "TEXT";
  // Shorter spellings of the flag, as CLI11 takes them: `--listen,-l`. May be empty.
  std::string other_names = {};
};

// Settings of config.v1.ServerConfig, which the configuration message holds as `server`.
std::vector<Setting> ServerSettings();

// Sets the setting's field from text: numbers in decimal, booleans `true` or `false`, enums by name in any case,
// repeated strings separated by commas (they replace what was there). INVALID_ARGUMENT or NOT_FOUND, naming `origin`.
absl::Status ApplySetting(const Setting& setting, const std::string& value, const std::string& origin,
                          google::protobuf::Message* config);

// True if the setting's field is repeated.
bool IsList(const Setting& setting, const google::protobuf::Message& config);

// `REELSIGHT_` and the flag in upper case.
std::string EnvironmentName(std::string_view flag);

// Reads the environment; replaced in tests.
using GetEnvironment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> ProcessEnvironment(const std::string& name);

// Applies those settings that the environment has.
absl::Status ApplyEnvironment(const std::vector<Setting>& settings, const GetEnvironment& environment,
                              google::protobuf::Message* config);

}  // namespace reelsight::process
