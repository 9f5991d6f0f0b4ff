// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/orchestrator_config.h"

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

std::string BadField(const std::string& text) {
  config::v1::OrchestratorConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  ApplyDefaults(&config);
  return GetMetadata(CheckOrchestratorConfig(config), "field");
}

TEST(OrchestratorConfigTest, DefaultsAreSound) {
  EXPECT_EQ(BadField(""), "");
  config::v1::OrchestratorConfig config;
  config.add_endpoints()->set_max_retries(0);
  ApplyDefaults(&config);
  EXPECT_EQ(config.max_concurrent_runs(), 4);
  EXPECT_EQ(config.endpoints(0).max_in_flight_batches(), 4);
  EXPECT_EQ(config.endpoints(0).max_retries(), 0);  // Zero was meant.
}

TEST(OrchestratorConfigTest, NamesTheFieldThatCannotBe) {
  EXPECT_EQ(BadField("endpoints { target: 'x:1' }"), "endpoints[0].name");
  EXPECT_EQ(BadField("endpoints { name: 'a' }"), "endpoints[0].target");
  EXPECT_EQ(BadField("endpoints { name: 'a' target: 'x' } endpoints { name: 'a' target: 'y' }"), "endpoints[1].name");
  EXPECT_EQ(BadField("endpoints { name: 'a' target: 'x' batch_timeout_seconds: -1 }"),
            "endpoints[0].batch_timeout_seconds");
  EXPECT_EQ(BadField("frame_budget_bytes: 10"), "frame_budget_bytes");
  EXPECT_EQ(BadField("max_concurrent_runs: -3"), "max_concurrent_runs");
  EXPECT_EQ(BadField("decode_threads: 1000"), "decode_threads");
  EXPECT_EQ(BadField("limits { max_duration_seconds: nan }"), "limits.max_duration_seconds");
  EXPECT_EQ(BadField("uploads { idle_timeout_seconds: -1 }"), "uploads.idle_timeout_seconds");
  EXPECT_EQ(BadField("uploads { min_bytes_per_second: -1 }"), "uploads.min_bytes_per_second");
}

}  // namespace
}  // namespace reelsight::orchestrator
