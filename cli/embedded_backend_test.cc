// SPDX-License-Identifier: Apache-2.0
#include "cli/embedded_backend.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/testing/clips.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::cli {
namespace {

using ::testing::HasSubstr;

// How a run fares whose model is no model, where so much of the memory is in use.
v1::AnalyzerStatus Detect(double used_memory) {
  const testing::ScratchFolder folder;
  std::ofstream(folder / "mine.textproto")
      << "models { name: 'mine' version: '1' task: 'object_detection' family: 'nanodet' default_for_task: true "
         "labels: 'x' input { width_px: 320 height_px: 320 } files { name: 'm.onnx' size_bytes: 5 path: 'm.onnx' "
         "sha256: '"
      << std::string(64, '0') << "' } }";
  std::filesystem::create_directories(folder / "models/mine/1");
  std::ofstream(folder / "models/mine/1/m.onnx") << "hello";
  config::v1::OrchestratorConfig config = EmbeddedBackend::PersonalConfig();
  config.mutable_models()->set_directory(folder / "models");
  config.mutable_models()->clear_catalogs();
  config.mutable_models()->add_catalogs(folder / "mine.textproto");
  const auto backend = EmbeddedBackend::Create(config, 1, [=] { return used_memory; });
  EXPECT_TRUE(backend.ok()) << backend.status();
  v1::AnalyzeRequest request;
  request.add_analyzers("object_detection");
  const auto response =
      (*backend)->Analyze(testing::GenerateClip(testing::TestPicture(64, 64, 5)), request, nullptr, CancelToken());
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? response->results(0).status() : v1::AnalyzerStatus();
}

TEST(EmbeddedBackendTest, LoadsNoModelWhereMemoryIsShort) {
  const v1::AnalyzerStatus refused = Detect(0.95);
  EXPECT_EQ(refused.code(), v1::AnalyzerStatus::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.message(), HasSubstr("memory is short (95% in use), mine is not loaded now"));
  // With room it gets to the file, which is none.
  EXPECT_EQ(Detect(0.5).reason(), "MODEL_CORRUPT");
}

}  // namespace
}  // namespace reelsight::cli
