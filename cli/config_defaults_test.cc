// SPDX-License-Identifier: Apache-2.0
//
// What the comments of config.proto say a field is by default, against what the code takes for a field that is not set.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/source/http_source.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/inference/models_config.h"
#include "shared/process/slice.h"
#include "shared/rpc/server_config.h"
#include "shared/service/analyzer_service_main.h"

namespace reelsight::cli {
namespace {

// `Message.field` -> its default: numbers in decimal, bytes and seconds as such, `true`, or a word.
using Defaults = std::map<std::string, std::string>;

std::string Number(double value) { return absl::StrFormat("%.15g", value); }

// A default that is no number, word or size: it depends on something, and is said in words.
constexpr char kWords[] = "words";

// Of `64 MiB, which bounds ...`, `1,800.`, `true.`, "`cpu`."
std::string Value(const std::string& text) {
  const std::regex number("([0-9,]*[0-9](?:\\.[0-9]+)?)( [KMG]iB)?(?:[^0-9.].*|\\.(?:[^0-9].*)?)?");
  std::smatch match;
  if (std::regex_match(text, match, std::regex("(true|false)(?:[.:].*)")) ||
      std::regex_match(text, match, std::regex("`([a-z]+)`\\..*"))) {
    return match[1];
  }
  if (!std::regex_match(text, match, number)) return kWords;
  double value = 0;
  EXPECT_TRUE(absl::SimpleAtod(absl::StrReplaceAll(match[1].str(), {{",", ""}}), &value)) << text;
  const std::map<std::string, double> units = {{"", 1}, {" KiB", 1 << 10}, {" MiB", 1 << 20}, {" GiB", 1 << 30}};
  return Number(value * units.at(match[2]));
}

// `*mentions`: how often the comments have the word, so that none is overlooked.
Defaults Stated(size_t* mentions) {
  const char* const root = std::getenv("REELSIGHT_SOURCE_DIR");
  const std::string path = absl::StrCat(root == nullptr ? "." : root, "/protos/reelsight/config/v1/config.proto");
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  const std::regex field("(?:optional |repeated )?[\\w.]+ (\\w+) = \\d+;"), message("message (\\w+) \\{");
  Defaults stated;
  std::string line, comment, type;
  std::smatch match;
  while (std::getline(file, line)) {
    line = std::string(absl::StripAsciiWhitespace(line));
    if (absl::StrContains(line, "Default")) ++*mentions;
    if (absl::StartsWith(line, "//")) {
      absl::StrAppend(&comment, comment.empty() ? "" : " ", absl::StripAsciiWhitespace(line.substr(2)));
      continue;
    }
    if (std::regex_match(line, match, message)) type = match[1];
    if (std::regex_match(line, match, field)) {
      const std::string name = match[1];
      if (std::regex_search(comment, match, std::regex("Default:? (.*)"))) {
        stated[absl::StrCat(type, ".", name)] = Value(match[1]);
      }
    }
    comment.clear();
  }
  return stated;
}

// Each number and boolean of the message itself.
void AddFields(const google::protobuf::Message& message, Defaults* defaults) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    if (field->is_repeated()) continue;
    std::string& value = (*defaults)[absl::StrCat(message.GetDescriptor()->name(), ".", field->name())];
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        value = Number(reflection.GetInt32(message, field));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        value = Number(static_cast<double>(reflection.GetInt64(message, field)));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        value = Number(reflection.GetDouble(message, field));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        value = reflection.GetBool(message, field) ? "true" : "false";
        break;
      default:
        break;
    }
  }
}

Defaults Taken() {
  Defaults taken;
  config::v1::OrchestratorConfig orchestrator;
  orchestrator.add_endpoints();
  orchestrator::ApplyDefaults(&orchestrator);
  AddFields(orchestrator, &taken);
  AddFields(orchestrator.endpoints(0), &taken);
  AddFields(orchestrator.limits(), &taken);
  AddFields(orchestrator.uploads(), &taken);

  config::v1::ServerConfig server;
  rpc::ApplyDefaults("127.0.0.1:0", "", &server);
  AddFields(server, &taken);
  const auto log = rpc::ToLogOptions(server.log(), "");
  taken["LogConfig.level"] = log.ok() && log->level == telemetry::LogLevel::kInfo ? "info" : "other";

  const orchestrator::HttpSource::Options http;
  taken["SourceConfig.max_redirects"] = Number(http.max_redirects);
  taken["SourceConfig.connect_timeout_seconds"] = Number(absl::ToDoubleSeconds(http.transfer.connect_timeout));
  taken["SourceConfig.fetch_timeout_seconds"] = Number(absl::ToDoubleSeconds(http.fetch_timeout));
  taken["SourceConfig.min_bytes_per_second"] = Number(static_cast<double>(http.sender.min_bytes_per_second));
  taken["SourceConfig.allow_insecure_redirects"] = http.allow_insecure_redirects ? "true" : "false";

  config::v1::AnalyzerServiceConfig service;
  service::ApplyDefaults({}, &service);
  AddFields(service, &taken);
  const auto slice = process::TakeSlice(service);
  taken["Slice.device"] = slice.ok() ? slice->device : "none";
  const inference::ModelRuntime::Options models = inference::ToRuntimeOptions(service.models());
  const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
  taken["ModelsConfig.idle_ttl_seconds"] = Number(seconds(models.idle_ttl));
  taken["ModelsConfig.hold_time_ms"] = Number(1000 * seconds(models.hold_time));
  taken["ModelsConfig.max_batch"] = Number(models.max_batch);
  return taken;
}

TEST(ConfigDefaultsTest, TheCodeTakesWhatTheCommentsSay) {
  size_t mentions = 0;
  const Defaults stated = Stated(&mentions), taken = Taken();
  std::set<std::string> in_words;
  for (const auto& [field, value] : stated) {
    if (value == kWords) {
      in_words.insert(field);
      continue;
    }
    const auto found = taken.find(field);
    ASSERT_TRUE(found != taken.end()) << field << " states a default, " << value << ", that this test does not know";
    EXPECT_EQ(found->second, value) << field;
  }
  EXPECT_EQ(in_words, (std::set<std::string>{"S3Config.path_style", "S3Config.region", "ServerConfig.listen_address",
                                             "ServerConfig.metrics_address", "Slice.memory_budget_bytes",
                                             "SourceConfig.ca_file"}));
  EXPECT_GT(mentions, 0u);
  EXPECT_EQ(stated.size(), mentions);
}

// Beside the table: ServerConfig.max_receive_bytes says that it is another for an analyzer service.
TEST(ConfigDefaultsTest, AnAnalyzerServiceTakesLargerMessages) {
  config::v1::AnalyzerServiceConfig config;
  service::ApplyDefaults({}, &config);
  EXPECT_EQ(config.server().max_receive_bytes(), 256 << 20);
}

}  // namespace
}  // namespace reelsight::cli
