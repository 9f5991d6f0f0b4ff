// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/start_batch.h"

#include "gtest/gtest.h"

namespace reelsight::batching {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

TEST(StartBatchTest, IsTheReferenceTableScaledByFreeMemory) {
  struct Case {
    std::string_view analyzer;
    int quarter, half, whole;
  };
  for (const Case& c :
       {Case{"qwen2_vl_temporal", 1, 1, 1}, Case{"qwen2_vl_optimized", 1, 1, 3}, Case{"object_detection", 16, 32, 64},
        Case{"body_pose", 4, 8, 16}, Case{"eye_tracking", 4, 8, 16}, Case{"text_overlay", 4, 8, 16},
        Case{"background_segmentation", 2, 4, 8}, Case{"color_analysis", 8, 16, 32},
        Case{"scene_segmentation", 8, 16, 32}, Case{"cut_analysis", 8, 16, 32}, Case{"camera_analysis", 8, 16, 32}}) {
    SCOPED_TRACE(c.analyzer);
    EXPECT_EQ(StartBatch(c.analyzer, 0), c.quarter);
    EXPECT_EQ(StartBatch(c.analyzer, 8000 * kMegabyte - 1), c.quarter);
    EXPECT_EQ(StartBatch(c.analyzer, 8000 * kMegabyte), c.half);
    EXPECT_EQ(StartBatch(c.analyzer, 16000 * kMegabyte - 1), c.half);
    EXPECT_EQ(StartBatch(c.analyzer, 16000 * kMegabyte), c.whole);
    EXPECT_EQ(StartBatch(c.analyzer, 80000 * kMegabyte), c.whole);
    EXPECT_EQ(TableBatch(c.analyzer), c.whole);
  }
}

TEST(StartBatchTest, TheReferenceProfileDiffersInCameraOnly) {
  EXPECT_EQ(StartBatch("camera_analysis", 16000 * kMegabyte, BatchProfile::kReference), 8);
  EXPECT_EQ(StartBatch("camera_analysis", 8000 * kMegabyte, BatchProfile::kReference), 4);
  EXPECT_EQ(StartBatch("camera_analysis", 0, BatchProfile::kReference), 2);
  EXPECT_EQ(StartBatch("cut_analysis", 16000 * kMegabyte, BatchProfile::kReference), 32);
}

TEST(StartBatchTest, AnAnalyzerThatTheTableLacksHasTheGeneralSize) {
  EXPECT_EQ(TableBatch("sharpness"), std::nullopt);
  EXPECT_EQ(StartBatch("sharpness", 16000 * kMegabyte), 8);
  EXPECT_EQ(StartBatch("sharpness", 0), 2);
}

}  // namespace
}  // namespace reelsight::batching
