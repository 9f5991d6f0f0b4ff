// SPDX-License-Identifier: Apache-2.0
#include "shared/process/config_file.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/config/v1/config.pb.h"

namespace reelsight::process {
namespace {

using ::testing::HasSubstr;

TEST(ConfigFileTest, UnknownFieldFailsWithLineAndColumn) {
  config::v1::AnalyzerServiceConfig config;
  const absl::Status status = ParseConfig("threads: 2\nserver {\n  listen: \"x\"\n}\n", "service.textproto", &config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("service.textproto:3:"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("listen"));
  EXPECT_EQ(config.threads(), 0) << "a bad file must leave the configuration alone";
}

TEST(ConfigFileTest, WrongTypeFailsWithLineAndColumn) {
  config::v1::AnalyzerServiceConfig config;
  const absl::Status status = ParseConfig("\nthreads: \"two\"", "a.textproto", &config);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a.textproto:2:10: "));
}

TEST(ConfigFileTest, MissingFileIsNamed) {
  config::v1::AnalyzerServiceConfig config;
  const absl::Status status = LoadConfigFile("/no/such/file.textproto", &config);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/file.textproto"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--config"));
}

TEST(ConfigFileTest, FolderInPlaceOfAFileIsNamed) {
  config::v1::AnalyzerServiceConfig config;
  const absl::Status status = LoadConfigFile("/tmp", &config);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/tmp (Is a directory)"));
}

TEST(ConfigFileTest, ShippedConfigurationsLoad) {
  const char* const source = std::getenv("REELSIGHT_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "REELSIGHT_SOURCE_DIR is not set";
  const std::filesystem::path folder = std::filesystem::path(source) / "deploy" / "local";
  for (const char* name : {"lightweight", "detection", "segmentation"}) {
    config::v1::AnalyzerServiceConfig service;
    const absl::Status loaded = LoadConfigFile(folder / (std::string(name) + ".textproto"), &service);
    EXPECT_TRUE(loaded.ok()) << loaded;
  }
  config::v1::OrchestratorConfig orchestrator;
  EXPECT_TRUE(LoadConfigFile(folder / "orchestrator.textproto", &orchestrator).ok());
  EXPECT_EQ(orchestrator.endpoints_size(), 3);
}

}  // namespace
}  // namespace reelsight::process
