// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/engine_factory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::inference {
namespace {

using ::testing::HasSubstr;

TEST(EngineFactoryTest, KindsHaveNames) {
  for (const EngineKind kind : {EngineKind::kOpenVino, EngineKind::kLibTorch}) {
    const auto again = EngineKindFromName(EngineKindName(kind));
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(*again, kind);
  }
  EXPECT_EQ(EngineKindFromName("abacus").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(EngineFactoryTest, OpenVinoIsAlwaysThere) {
  EXPECT_TRUE(EngineAvailable(EngineKind::kOpenVino).ok());
  EXPECT_EQ(LoadEngine(EngineKind::kOpenVino, "/nowhere/model.onnx", {}).status().code(), absl::StatusCode::kNotFound);
}

TEST(EngineFactoryTest, OpenVinoIsForTheCpu) {
  EXPECT_EQ(EngineAvailable(EngineKind::kOpenVino, "cuda:0").code(), absl::StatusCode::kFailedPrecondition);
}

// Where the plug-in was not built, the error says what to do; where it was, its own errors come through.
TEST(EngineFactoryTest, LibTorchIsThereOrSaysWhatToDo) {
  const absl::Status status = LoadEngine(EngineKind::kLibTorch, "/nowhere/model.onnx", {}).status();
  if (EngineAvailable(EngineKind::kLibTorch).ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/model.onnx"));
  } else {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("scripts/setup"));
  }
}

}  // namespace
}  // namespace reelsight::inference
