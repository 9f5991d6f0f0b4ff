// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/camera_analyzer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "reelsight/v1/camera_analysis.pb.h"
#include "reelsight/v1/color_analysis.pb.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/lightweight/camera_analysis/pair_payload.h"
#include "services/lightweight/camera_analysis/texture_scene.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::camera_analysis {
namespace {

using Motion = v1::CameraAnalysisResult;
using Images = std::vector<std::shared_ptr<const analysis::Image>>;

constexpr int kFps = 30;
// Every fifth frame is sampled.
constexpr int64_t kInterval = 5;

absl::Duration OffsetOf(int64_t index) { return absl::Nanoseconds(index * 1'000'000'000 / kFps); }

class CameraAnalyzerTest : public ::testing::Test {
 protected:
  CameraAnalyzerTest() {
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
    analyzers.push_back(MakeCameraAnalyzer());
    host_ = *analysis::AnalyzerHost::Create("lightweight", "1", std::move(analyzers), 1);
  }

  // `frames` pictures of a scene; `pose` tells where the camera is at a time.
  static Images Render(int frames, const std::function<CameraPose(double time)>& pose, int width = 320,
                       int height = 180, uint32_t seed = 1) {
    const TextureScene scene(width, height, seed);
    Images images(frames);
    // Only the sampled frames and the ones before them are looked at.
    for (int i = 0; i < frames; ++i) {
      if (i % kInterval == 0 || i % kInterval == kInterval - 1) {
        images[i] = scene.Render(pose(static_cast<double>(i) / kFps), {}, i + 1);
      }
    }
    return images;
  }

  // Each batch holds the given targets, with the frames just before them as context.
  std::vector<analyzer::v1::FrameResult> Analyze(const Images& images,
                                                 const std::vector<std::vector<int64_t>>& batches) {
    std::vector<analyzer::v1::FrameResult> results;
    for (const std::vector<int64_t>& targets : batches) {
      std::set<int64_t> all(targets.begin(), targets.end());
      analysis::AnalyzerWork work{
          .analyzer = "camera_analysis", .options = {}, .target_indexes = targets, .context_indexes = {}};
      for (const int64_t target : targets) {
        if (target > 0 && all.insert(target - 1).second) work.context_indexes.push_back(target - 1);
      }
      analysis::Batch batch;
      for (const int64_t index : all) batch.frames.push_back({index, OffsetOf(index), images[index]});
      batch.work.push_back(work);
      const auto response = host_->AnalyzeFrames(batch, CancelToken());
      EXPECT_TRUE(response.ok()) << response.status();
      for (const analyzer::v1::FrameResult& result : response->results(0).results()) results.push_back(result);
    }
    std::sort(results.begin(), results.end(),
              [](const auto& left, const auto& right) { return left.index() < right.index(); });
    return results;
  }

  static std::vector<int64_t> Sampled(const Images& images) {
    std::vector<int64_t> targets;
    for (int64_t i = 0; i < static_cast<int64_t>(images.size()); i += kInterval) targets.push_back(i);
    return targets;
  }

  // One segment; shots part at `cuts`.
  analyzer::v1::SummarizeRequest MakeRequest(const Images& images, const std::vector<absl::Duration>& cuts = {}) {
    analyzer::v1::SummarizeRequest request;
    request.set_analyzer("camera_analysis");
    request.mutable_video()->set_width_px(images[0]->width_px());
    request.mutable_video()->set_height_px(images[0]->height_px());
    for (const analyzer::v1::FrameResult& result : Analyze(images, {Sampled(images)})) *request.add_results() = result;
    const absl::Duration end = OffsetOf(static_cast<int64_t>(images.size()));
    *request.add_segments()->mutable_start_offset() = analysis::ToProto(absl::ZeroDuration());
    *request.mutable_segments(0)->mutable_end_offset() = analysis::ToProto(end);
    v1::CutAnalysisResult result;
    absl::Duration start;
    for (const absl::Duration cut : cuts) {
      AddShot(start, cut, result);
      start = cut;
    }
    AddShot(start, end, result);
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("cut_analysis");
    dependency.mutable_summary()->mutable_typed()->PackFrom(result);
    return request;
  }

  static void AddShot(absl::Duration start, absl::Duration end, v1::CutAnalysisResult& result) {
    v1::CutAnalysisResult::Shot& shot = *result.add_shots();
    *shot.mutable_start_offset() = analysis::ToProto(start);
    *shot.mutable_end_offset() = analysis::ToProto(end);
  }

  analyzer::v1::SummarizeResponse Summarize(const analyzer::v1::SummarizeRequest& request) {
    const auto response = host_->Summarize(request, CancelToken());
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  }

  Motion Result(const analyzer::v1::SummarizeRequest& request) {
    Motion result;
    EXPECT_TRUE(Summarize(request).typed().UnpackTo(&result));
    return result;
  }

  std::unique_ptr<analysis::AnalyzerHost> host_;
};

TEST_F(CameraAnalyzerTest, DescribesItsNeeds) {
  const analyzer::v1::AnalyzerDescription description = MakeCameraAnalyzer()->Describe();
  EXPECT_EQ(description.name(), "camera_analysis");
  EXPECT_EQ(description.frame_spec().format(), analyzer::v1::PIXEL_FORMAT_GRAY8);
  EXPECT_EQ(description.frame_spec().max_side_px(), 320);
  EXPECT_EQ(description.sampling().sample_fps(), 6);
  EXPECT_EQ(description.sampling().context_kind(), analyzer::v1::Sampling::CONTEXT_KIND_DECODED);
  EXPECT_EQ(description.sampling().context_frames(), 1);
  EXPECT_EQ(description.sampling().reference_min_interval(), 5);
  EXPECT_EQ(description.sampling().reference_divisor(), 6);
  ASSERT_EQ(description.depends_on_size(), 1);
  EXPECT_EQ(description.depends_on(0).analyzer(), "cut_analysis");
  EXPECT_FALSE(description.depends_on(0).optional());
}

struct KnownMotion {
  const char* name;
  std::function<CameraPose(double time)> pose;
  Motion::Motion motion;
  double speed;
};

class KnownMotionTest : public CameraAnalyzerTest, public ::testing::WithParamInterface<KnownMotion> {};

TEST_P(KnownMotionTest, IsNamedWithItsSpeedInLandscapeAndPortrait) {
  for (const bool portrait : {false, true}) {
    const Motion result =
        Result(MakeRequest(Render(60, GetParam().pose, portrait ? 180 : 320, portrait ? 320 : 180, portrait ? 3 : 2)));
    ASSERT_EQ(result.segments_size(), 1) << result.DebugString();
    EXPECT_EQ(Motion::Motion_Name(result.segments(0).motion()), Motion::Motion_Name(GetParam().motion));
    EXPECT_NEAR(result.segments(0).speed_per_second(), GetParam().speed, 0.1 * GetParam().speed);
    EXPECT_GT(result.segments(0).score(), 0.9);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, KnownMotionTest,
    ::testing::Values(
        KnownMotion{"Static", [](double) { return CameraPose{}; }, Motion::STATIC, 0},
        KnownMotion{"SlowPanLeft", [](double t) { return CameraPose{.x_widths = -0.03 * t}; }, Motion::PAN_LEFT, 0.03},
        KnownMotion{"PanRight", [](double t) { return CameraPose{.x_widths = 0.4 * t}; }, Motion::PAN_RIGHT, 0.4},
        KnownMotion{"TiltUp", [](double t) { return CameraPose{.y_heights = -0.1 * t}; }, Motion::TILT_UP, 0.1},
        KnownMotion{"TiltDown", [](double t) { return CameraPose{.y_heights = 0.05 * t}; }, Motion::TILT_DOWN, 0.05},
        KnownMotion{"ZoomIn", [](double t) { return CameraPose{.log_scale = 0.1 * t}; }, Motion::ZOOM_IN, 0.1},
        KnownMotion{"ZoomOut", [](double t) { return CameraPose{.log_scale = -0.04 * t}; }, Motion::ZOOM_OUT, 0.04},
        KnownMotion{"RollClockwise", [](double t) { return CameraPose{.clockwise_turns = 0.02 * t}; }, Motion::ROLL,
                    0.02},
        KnownMotion{"RollBack", [](double t) { return CameraPose{.clockwise_turns = -0.05 * t}; }, Motion::ROLL, 0.05}),
    [](const auto& info) { return info.param.name; });

TEST_F(CameraAnalyzerTest, ADiagonalIsComplex) {
  const Motion result = Result(
      MakeRequest(Render(60, [](double t) { return CameraPose{.x_widths = 0.1 * t, .y_heights = 0.1 * 16 / 9 * t}; })));
  ASSERT_EQ(result.segments_size(), 1) << result.DebugString();
  EXPECT_EQ(result.segments(0).motion(), Motion::COMPLEX);
  EXPECT_NEAR(result.segments(0).speed_per_second(), 0.1 * 16 * std::sqrt(2) / std::hypot(16, 9), 0.01);
}

TEST_F(CameraAnalyzerTest, ShakeIsHandheld) {
  const Motion result = Result(MakeRequest(Render(90, [](double t) {
    return CameraPose{.x_widths = 0.004 * (std::sin(11 * t) + std::sin(23.7 * t + 1)),
                      .y_heights = 0.006 * (std::sin(13.1 * t + 2) + std::sin(29.3 * t))};
  })));
  ASSERT_EQ(result.segments_size(), 1) << result.DebugString();
  EXPECT_EQ(result.segments(0).motion(), Motion::HANDHELD);
}

TEST_F(CameraAnalyzerTest, SamplesCarryTheSignsTheApiDocuments) {
  const Motion result = Result(MakeRequest(Render(30, [](double t) {
    return CameraPose{.x_widths = 0.3 * t, .y_heights = -0.2 * t, .log_scale = 0.1 * t, .clockwise_turns = 0.01 * t};
  })));
  // The first frame has no neighbour before it.
  ASSERT_EQ(result.samples_size(), 5);
  for (const Motion::Sample& sample : result.samples()) {
    EXPECT_GT(sample.pan_per_second(), 0.25);
    EXPECT_GT(sample.tilt_per_second(), 0.15);
    EXPECT_NEAR(sample.zoom_per_second(), 0.1, 0.01);
    EXPECT_NEAR(sample.roll_per_second(), 0.01, 0.001);
    EXPECT_GT(sample.inlier_share(), 0.5);
  }
  EXPECT_EQ(analysis::FromProto(result.samples(0).offset()), OffsetOf(5));
}

TEST_F(CameraAnalyzerTest, SplitsAShotWhereTheMotionChanges) {
  const analyzer::v1::SummarizeRequest request =
      MakeRequest(Render(120, [](double t) { return CameraPose{.x_widths = -0.2 * std::max(0.0, t - 2)}; }));
  const analyzer::v1::SummarizeResponse response = Summarize(request);
  Motion result;
  ASSERT_TRUE(response.typed().UnpackTo(&result));
  ASSERT_EQ(result.segments_size(), 2) << result.DebugString();
  EXPECT_EQ(result.segments(0).motion(), Motion::STATIC);
  EXPECT_EQ(result.segments(1).motion(), Motion::PAN_LEFT);
  EXPECT_NEAR(absl::ToDoubleSeconds(analysis::FromProto(result.segments(0).end_offset())), 2, 0.17);
  ASSERT_EQ(response.timeline_size(), 2);
  EXPECT_EQ(response.timeline(0).label(), "static");
  EXPECT_EQ(response.timeline(1).label(), "pan left 0.2/s");
  EXPECT_TRUE(response.headline().starts_with("static 5")) << response.headline();
  EXPECT_EQ(response.model().name(), "classical");
}

TEST_F(CameraAnalyzerTest, SegmentsEndAtShotsAndPairsAcrossACutAreIgnored) {
  Images images = Render(60, [](double t) { return CameraPose{.x_widths = 0.1 * t}; });
  // The new shot starts at a sampled frame, so that its pair goes across the cut.
  const Images other = Render(
      60, [](double t) { return CameraPose{.x_widths = -0.1 * t}; }, 320, 180, 77);
  images.insert(images.end(), other.begin(), other.end());
  const Motion result = Result(MakeRequest(images, {OffsetOf(60)}));
  ASSERT_EQ(result.segments_size(), 2) << result.DebugString();
  EXPECT_EQ(result.segments(0).motion(), Motion::PAN_RIGHT);
  EXPECT_EQ(result.segments(1).motion(), Motion::PAN_LEFT);
  EXPECT_EQ(analysis::FromProto(result.segments(0).end_offset()), OffsetOf(60));
  EXPECT_EQ(analysis::FromProto(result.segments(1).start_offset()), OffsetOf(60));
  EXPECT_FLOAT_EQ(result.segments(1).score(), 1);
  for (const Motion::Sample& sample : result.samples()) EXPECT_NE(analysis::FromProto(sample.offset()), OffsetOf(60));
}

TEST_F(CameraAnalyzerTest, SegmentsTileEachAnalysedSegmentWhateverTheShots) {
  const Images images = Render(90, [](double t) { return CameraPose{.x_widths = 0.1 * t}; });
  // Cuts outside of the segments, between them, and so close that a shot holds no sample.
  analyzer::v1::SummarizeRequest request =
      MakeRequest(images, {OffsetOf(20), OffsetOf(40), OffsetOf(41), OffsetOf(80)});
  request.clear_segments();
  const std::vector<std::pair<int, int>> spans = {{5, 31}, {36, 70}};
  for (const auto& [start, end] : spans) {
    *request.add_segments()->mutable_start_offset() = analysis::ToProto(OffsetOf(start));
    *request.mutable_segments()->rbegin()->mutable_end_offset() = analysis::ToProto(OffsetOf(end));
  }
  const Motion result = Result(request);
  std::map<absl::Duration, absl::Duration> found;
  for (const Motion::Segment& segment : result.segments()) {
    found[analysis::FromProto(segment.start_offset())] = analysis::FromProto(segment.end_offset());
  }
  for (const auto& [start, end] : spans) {
    absl::Duration at = OffsetOf(start);
    while (found.contains(at)) {
      const absl::Duration next = found[at];
      found.erase(at);
      at = next;
    }
    EXPECT_EQ(at, OffsetOf(end));
  }
  EXPECT_TRUE(found.empty());
}

TEST_F(CameraAnalyzerTest, AShotWithoutSamplesIsStaticWithScoreZero) {
  const Images images = Render(60, [](double t) { return CameraPose{.x_widths = 0.1 * t}; });
  const Motion result = Result(MakeRequest(images, {OffsetOf(31), OffsetOf(33)}));
  ASSERT_EQ(result.segments_size(), 3);
  EXPECT_EQ(result.segments(1).motion(), Motion::STATIC);
  EXPECT_EQ(result.segments(1).score(), 0);
}

TEST_F(CameraAnalyzerTest, BatchingChangesNothing) {
  // The slow motion is followed over several sampled frames, which batches hold in part.
  for (const double speed : {0.2, 0.004}) {
    const Images images =
        Render(61, [speed](double t) { return CameraPose{.x_widths = speed * t, .log_scale = speed / 4 * t}; });
    analyzer::v1::SummarizeRequest request = MakeRequest(images);
    const std::string together = Summarize(request).SerializeAsString();
    ASSERT_EQ(request.results_size(), 13);
    for (const auto& batches :
         {std::vector<std::vector<int64_t>>{{25, 30, 55}, {0}, {5}, {60}, {10, 50}, {15, 20, 45}, {35, 40}},
          std::vector<std::vector<int64_t>>{{0, 5, 10, 15, 20}, {25, 30, 35, 40, 45}, {50, 55, 60}}}) {
      request.clear_results();
      for (const analyzer::v1::FrameResult& result : Analyze(images, batches)) {
        EXPECT_LE(result.payload().size(), 4096u);
        *request.add_results() = result;
      }
      EXPECT_EQ(request.results_size(), 13);
      EXPECT_TRUE(Summarize(request).SerializeAsString() == together) << "at speed " << speed;
    }
  }
}

TEST_F(CameraAnalyzerTest, ABatchFollowsItsOwnFrames) {
  const Images images = Render(31, [](double t) { return CameraPose{.x_widths = 0.004 * t}; });
  const std::vector<analyzer::v1::FrameResult> results = Analyze(images, {{0, 5, 10, 15}, {20}});
  std::vector<std::vector<absl::Duration>> earlier;
  for (const analyzer::v1::FrameResult& result : results) {
    const absl::StatusOr<PairPayload> pair = DecodePair(result.payload());
    ASSERT_TRUE(pair.ok()) << pair.status();
    earlier.emplace_back();
    for (const FollowedMotion& followed : pair->followed) earlier.back().push_back(followed.earlier_offset);
  }
  const std::vector<std::vector<absl::Duration>> expected = {
      {}, {OffsetOf(0)}, {OffsetOf(5)}, {OffsetOf(10), OffsetOf(0)}, {}};
  EXPECT_EQ(earlier, expected);
}

TEST_F(CameraAnalyzerTest, OnlyTheFrameJustBeforeMakesAPair) {
  const Images images = Render(11, [](double) { return CameraPose{}; });
  analysis::Batch batch;
  for (const int64_t index : {0, 5, 9, 10}) batch.frames.push_back({index, OffsetOf(index), images[index]});
  batch.work.push_back(
      {.analyzer = "camera_analysis", .options = {}, .target_indexes = {0, 5, 10}, .context_indexes = {9}});
  const auto response = host_->AnalyzeFrames(batch, CancelToken());
  ASSERT_TRUE(response.ok());
  EXPECT_FALSE(DecodePair(response->results(0).results(0).payload())->has_pair);
  EXPECT_FALSE(DecodePair(response->results(0).results(1).payload())->has_pair);
  const absl::StatusOr<PairPayload> pair = DecodePair(response->results(0).results(2).payload());
  EXPECT_TRUE(pair->has_pair);
  EXPECT_EQ(pair->earlier_offset, OffsetOf(9));
}

TEST_F(CameraAnalyzerTest, OptionsAreHeld) {
  analyzer::v1::SummarizeRequest request =
      MakeRequest(Render(60, [](double t) { return CameraPose{.x_widths = 0.012 * t}; }));
  EXPECT_EQ(Result(request).segments(0).motion(), Motion::STATIC);
  v1::CameraAnalysisOptions options;
  options.set_min_speed_per_second(0.005f);
  request.mutable_options()->PackFrom(options);
  EXPECT_EQ(Result(request).segments(0).motion(), Motion::PAN_RIGHT);
  const auto refused = [&](const v1::CameraAnalysisOptions& bad) {
    request.mutable_options()->PackFrom(bad);
    return GetMetadata(host_->Summarize(request, CancelToken()).status(), "field");
  };
  options.set_min_speed_per_second(0.001f);
  EXPECT_EQ(refused(options), "");
  options.set_min_speed_per_second(1.5f);
  EXPECT_EQ(refused(options), "min_speed_per_second");
  options.clear_min_speed_per_second();
  options.mutable_min_segment()->set_seconds(11);
  EXPECT_EQ(refused(options), "min_segment");
  request.mutable_options()->PackFrom(v1::ColorAnalysisOptions());
  EXPECT_EQ(GetReason(host_->Summarize(request, CancelToken()).status()), "INVALID_FIELD");
}

TEST_F(CameraAnalyzerTest, NeedsTheShots) {
  analyzer::v1::SummarizeRequest request = MakeRequest(Render(11, [](double) { return CameraPose{}; }));
  request.clear_dependencies();
  const absl::Status status = host_->Summarize(request, CancelToken()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(status), "DEPENDENCY_FAILED");
}

TEST_F(CameraAnalyzerTest, RefusesForeignPayloads) {
  analyzer::v1::SummarizeRequest request = MakeRequest(Render(11, [](double t) { return CameraPose{.x_widths = t}; }));
  const std::string good = request.results(1).payload();
  for (const std::string& bad :
       {std::string(), std::string("x"), good + "x", good.substr(0, good.size() - 1), "\x07" + good.substr(1)}) {
    request.mutable_results(1)->set_payload(bad);
    EXPECT_EQ(GetReason(host_->Summarize(request, CancelToken()).status()), "BAD_FRAME");
  }
}

}  // namespace
}  // namespace reelsight::camera_analysis
