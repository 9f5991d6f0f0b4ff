// SPDX-License-Identifier: Apache-2.0
#include "cli/report/report_masks.h"

#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::report {
namespace {

using Options = v1::BackgroundSegmentationOptions;

TEST(AskForMasksTest, AsksForPngWhereTheCallerLeftItOpen) {
  v1::AnalyzeRequest request;
  EXPECT_TRUE(AskForMasks(&request));
  EXPECT_EQ(request.options().background_segmentation().mask_format(), Options::PNG);

  v1::AnalyzeRequest sized;
  sized.add_analyzers("background_segmentation");
  sized.mutable_options()->mutable_background_segmentation()->set_mask_max_side_px(64);
  EXPECT_TRUE(AskForMasks(&sized));
  EXPECT_EQ(sized.options().background_segmentation().mask_max_side_px(), 64);
}

TEST(AskForMasksTest, AModelThatIsNamedMayHaveClasses) {
  v1::AnalyzeRequest request;
  request.mutable_options()->mutable_background_segmentation()->set_model("my_segformer");
  EXPECT_TRUE(AskForMasks(&request));
  EXPECT_EQ(request.options().background_segmentation().mask_format(), Options::RLE);
}

TEST(AskForMasksTest, WhatTheCallerSaidStays) {
  for (const auto format : {Options::NONE, Options::PNG, Options::RLE}) {
    v1::AnalyzeRequest request;
    request.mutable_options()->mutable_background_segmentation()->set_mask_format(format);
    EXPECT_FALSE(AskForMasks(&request));
    EXPECT_EQ(request.options().background_segmentation().mask_format(), format);
  }
}

TEST(AskForMasksTest, NothingIsAskedOfAnAnalyzerThatDoesNotRun) {
  v1::AnalyzeRequest request;
  request.add_analyzers("cut_analysis");
  EXPECT_FALSE(AskForMasks(&request));
  EXPECT_FALSE(request.has_options());
}

v1::AnalyzeResponse WithMasks(int frames) {
  v1::AnalyzeResponse response;
  response.add_results()->mutable_cut_analysis();
  auto& result = *response.add_results()->mutable_background_segmentation();
  for (int i = 0; i < frames; ++i) {
    auto& frame = *result.add_frames();
    *frame.mutable_offset() = analysis::ToProto(absl::Milliseconds(500) * i);
    frame.mutable_mask()->set_png("png");
  }
  return response;
}

TEST(ClearMasksTest, TakesOutMasksAndNothingElse) {
  v1::AnalyzeResponse response = WithMasks(2);
  ClearMasks(&response);
  const auto& result = response.results(1).background_segmentation();
  ASSERT_EQ(result.frames_size(), 2);
  EXPECT_FALSE(result.frames(0).has_mask());
  EXPECT_EQ(analysis::FromProto(result.frames(1).offset()), absl::Milliseconds(500));
  EXPECT_TRUE(response.results(0).has_cut_analysis());
}

TEST(KeepMasksOfPicturesTest, KeepsThoseNearAPicture) {
  v1::AnalyzeResponse response = WithMasks(5);
  KeepMasksOfPictures({{.offset = absl::Milliseconds(480)}, {.offset = absl::Milliseconds(1740)}}, &response);
  const auto& frames = response.results(1).background_segmentation().frames();
  std::vector<bool> kept;
  for (const auto& frame : frames) kept.push_back(frame.has_mask());
  EXPECT_EQ(kept, (std::vector<bool>{false, true, false, true, true}));
}

}  // namespace
}  // namespace reelsight::report
