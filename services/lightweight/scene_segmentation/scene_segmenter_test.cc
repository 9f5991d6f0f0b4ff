// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/scene_segmentation/scene_segmenter.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "reelsight/v1/scene_segmentation.pb.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/analyzer_driver.h"

namespace reelsight::scene_segmentation {
namespace {

using analysis::FromProto;
using analysis::ToProto;
using testing::AnalyzerDriver;
using ::testing::ElementsAre;
using v1::CutAnalysisResult;
using v1::SceneSegmentationResult;

absl::Duration S(double seconds) { return absl::Seconds(seconds); }

std::shared_ptr<const analysis::Image> Picture(uint8_t y, uint8_t u) {
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kI420, analysis::ImageSize{64, 36});
  std::fill_n(image->mutable_plane(0), 64 * 36, y);
  std::fill_n(image->mutable_plane(1), 32 * 18, u);
  std::fill_n(image->mutable_plane(2), 32 * 18, static_cast<uint8_t>(255 - u));
  return image;
}

class SceneSegmenterTest : public ::testing::Test {
 protected:
  // Shots of `lengths` seconds behind each other.
  static void AddShots(const std::vector<double>& lengths, analyzer::v1::SummarizeRequest& request) {
    CutAnalysisResult cuts;
    double at = 0;
    for (const double length : lengths) {
      CutAnalysisResult::Shot& shot = *cuts.add_shots();
      *shot.mutable_start_offset() = ToProto(S(at));
      at += length;
      *shot.mutable_end_offset() = ToProto(S(at));
    }
    AddCuts(cuts, request);
  }

  static void AddCuts(const CutAnalysisResult& cuts, analyzer::v1::SummarizeRequest& request) {
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("cut_analysis");
    dependency.mutable_summary()->mutable_typed()->PackFrom(cuts);
  }

  SceneSegmentationResult Result(const analyzer::v1::SummarizeRequest& request) {
    const auto response = driver_.Summarize(request);
    EXPECT_TRUE(response.ok()) << response.status();
    SceneSegmentationResult result;
    EXPECT_TRUE(response.ok() && response->typed().UnpackTo(&result));
    return result;
  }

  // One frame a second, as Describe asks for.
  AnalyzerDriver driver_{MakeSceneSegmenter(), S(1)};
};

TEST_F(SceneSegmenterTest, ScenesTileTheVideoExactly) {
  const auto a = Picture(60, 90), b = Picture(190, 150);
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest({a, a, b, b, b, a});
  // Odd lengths: the scenes' ends are those of the shots, to the nanosecond.
  AddShots({1.2345678, 0.7, 2.1, 1.9654322}, request);
  const SceneSegmentationResult result = Result(request);
  ASSERT_EQ(result.scenes_size(), 1) << "a, b, a again";
  EXPECT_EQ(FromProto(result.scenes(0).start_offset()), S(0));
  EXPECT_THAT(result.scenes(0).shot_indexes(), ElementsAre(0, 1, 2, 3));

  request = driver_.MakeRequest({a, a, b, b});
  AddShots({1.9, 2.1}, request);
  const SceneSegmentationResult two = Result(request);
  ASSERT_EQ(two.scenes_size(), 2);
  EXPECT_EQ(FromProto(two.scenes(0).end_offset()), S(1.9));
  EXPECT_EQ(FromProto(two.scenes(1).start_offset()), S(1.9));
  EXPECT_EQ(FromProto(two.scenes(1).end_offset()), S(4));
}

TEST_F(SceneSegmenterTest, FramesAmidADissolveJoinNothing) {
  const auto a = Picture(60, 90), b = Picture(190, 150);
  // The frame at 2 s, in the second shot, still looks like the first.
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest({a, a, a, b});
  CutAnalysisResult cuts;
  *cuts.add_shots()->mutable_end_offset() = ToProto(S(1.9));
  *cuts.add_shots()->mutable_start_offset() = ToProto(S(1.9));
  *cuts.mutable_shots(1)->mutable_end_offset() = ToProto(S(4));
  analyzer::v1::SummarizeRequest without = request;
  AddCuts(cuts, without);
  EXPECT_EQ(Result(without).scenes_size(), 1);
  CutAnalysisResult::Transition& dissolve = *cuts.add_transitions();
  *dissolve.mutable_start_offset() = ToProto(S(1.5));
  *dissolve.mutable_end_offset() = ToProto(S(2.3));
  AddCuts(cuts, request);
  EXPECT_EQ(Result(request).scenes_size(), 2);
}

TEST_F(SceneSegmenterTest, ScenesDoNotCrossSegments) {
  const auto a = Picture(60, 90);
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest({a, a, a, a});
  AddShots({2, 2}, request);
  EXPECT_EQ(Result(request).scenes_size(), 1);
  *request.mutable_segments(0)->mutable_end_offset() = ToProto(S(2));
  *request.add_segments()->mutable_start_offset() = ToProto(S(2));
  *request.mutable_segments(1)->mutable_end_offset() = ToProto(S(4));
  EXPECT_EQ(Result(request).scenes_size(), 2);
}

TEST_F(SceneSegmenterTest, BatchingDoesNotMatter) {
  AnalyzerDriver::Pictures pictures;
  std::vector<double> lengths;
  for (int i = 0; i < 60; ++i) pictures.push_back(Picture(static_cast<uint8_t>(20 + 200 * (i / 7 % 2)), 120));
  for (int i = 0; i < 20; ++i) lengths.push_back(3);
  analyzer::v1::SummarizeRequest whole = driver_.MakeRequest(pictures);
  AddShots(lengths, whole);
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    auto split = driver_.MakeRequest(pictures, AnalyzerDriver::ShuffledBatches(60, seed));
    AddShots(lengths, split);
    EXPECT_EQ(split.SerializeAsString(), whole.SerializeAsString());
    EXPECT_EQ(Result(split).SerializeAsString(), Result(whole).SerializeAsString());
  }
}

TEST_F(SceneSegmenterTest, WithoutCutsItSaysWhatIsMissing) {
  const auto status = driver_.Summarize(driver_.MakeRequest({Picture(60, 90)})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetMetadata(status, "dependency"), "cut_analysis");
}

TEST_F(SceneSegmenterTest, BadInputIsRefused) {
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest({Picture(60, 90), Picture(60, 90)});
  AddShots({1, 1}, request);
  CancelToken cancelled;
  cancelled.Cancel(absl::CancelledError("gone"));
  EXPECT_EQ(driver_.Summarize(request, cancelled).status().code(), absl::StatusCode::kCancelled);
  request.mutable_results(1)->set_payload("not a record");
  EXPECT_EQ(driver_.Summarize(request).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace reelsight::scene_segmentation
