// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/color_analyzer.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "reelsight/v1/color_analysis.pb.h"
#include "reelsight/v1/scene_segmentation.pb.h"
#include "services/lightweight/color_analysis/cielab.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::color_analysis {
namespace {

using analysis::Image;
using analysis::PixelFormat;
using v1::ColorAnalysisResult;

constexpr absl::Duration kInterval = absl::Milliseconds(500);

// `left` and `right` of these colours.
std::shared_ptr<const Image> Picture(Rgb left, Rgb right, int width = 32, int height = 18) {
  auto image = std::make_shared<Image>(PixelFormat::kRgb24, analysis::ImageSize{width, height});
  uint8_t* out = image->mutable_plane(0);
  for (int i = 0; i < width * height; ++i) {
    const Rgb rgb = i % width < width / 2 ? left : right;
    *out++ = rgb.red;
    *out++ = rgb.green;
    *out++ = rgb.blue;
  }
  return image;
}

std::shared_ptr<const Image> Noise(uint32_t seed) {
  std::mt19937 random(seed);
  auto image = std::make_shared<Image>(PixelFormat::kRgb24, analysis::ImageSize{40, 30});
  for (int i = 0; i < 40 * 30 * 3; ++i) image->mutable_plane(0)[i] = static_cast<uint8_t>(random());
  return image;
}

class ColorAnalyzerTest : public ::testing::Test {
 protected:
  ColorAnalyzerTest() {
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
    analyzers.push_back(MakeColorAnalyzer());
    host_ = *analysis::AnalyzerHost::Create("lightweight", "1", std::move(analyzers), 1);
  }

  // Results of `frames`, two a second; batches hold the frames that `batches` lists.
  std::vector<analyzer::v1::FrameResult> Analyze(const std::vector<std::shared_ptr<const Image>>& frames,
                                                 const std::vector<std::vector<int64_t>>& batches) {
    std::vector<analyzer::v1::FrameResult> results;
    for (const std::vector<int64_t>& indexes : batches) {
      analysis::Batch batch;
      for (const int64_t index : indexes) batch.frames.push_back({index, index * kInterval, frames[index]});
      batch.work.push_back(
          {.analyzer = "color_analysis", .options = {}, .target_indexes = indexes, .context_indexes = {}});
      const auto response = host_->AnalyzeFrames(batch, CancelToken());
      EXPECT_TRUE(response.ok()) << response.status();
      for (const analyzer::v1::FrameResult& result : response->results(0).results()) results.push_back(result);
    }
    std::sort(results.begin(), results.end(),
              [](const auto& left, const auto& right) { return left.index() < right.index(); });
    return results;
  }

  analyzer::v1::SummarizeRequest MakeRequest(const std::vector<std::shared_ptr<const Image>>& frames) {
    std::vector<int64_t> all(frames.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    analyzer::v1::SummarizeRequest request;
    request.set_analyzer("color_analysis");
    for (const analyzer::v1::FrameResult& result : Analyze(frames, {all})) *request.add_results() = result;
    AddSegment(request, absl::ZeroDuration(), static_cast<int64_t>(frames.size()) * kInterval);
    return request;
  }

  static void AddSegment(analyzer::v1::SummarizeRequest& request, absl::Duration start, absl::Duration end) {
    analyzer::v1::Segment& segment = *request.add_segments();
    *segment.mutable_start_offset() = analysis::ToProto(start);
    *segment.mutable_end_offset() = analysis::ToProto(end);
  }

  static void AddScenes(analyzer::v1::SummarizeRequest& request,
                        const std::vector<std::pair<absl::Duration, absl::Duration>>& spans) {
    v1::SceneSegmentationResult result;
    for (const auto& [start, end] : spans) {
      *result.add_scenes()->mutable_start_offset() = analysis::ToProto(start);
      *result.mutable_scenes()->rbegin()->mutable_end_offset() = analysis::ToProto(end);
    }
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("scene_segmentation");
    dependency.mutable_summary()->mutable_typed()->PackFrom(result);
  }

  analyzer::v1::SummarizeResponse Summarize(const analyzer::v1::SummarizeRequest& request) {
    const auto response = host_->Summarize(request, CancelToken());
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  }

  ColorAnalysisResult Result(const analyzer::v1::SummarizeRequest& request) {
    ColorAnalysisResult result;
    EXPECT_TRUE(Summarize(request).typed().UnpackTo(&result));
    return result;
  }

  std::unique_ptr<analysis::AnalyzerHost> host_;
};

TEST_F(ColorAnalyzerTest, DescribesItsNeeds) {
  const analyzer::v1::AnalyzerDescription description = MakeColorAnalyzer()->Describe();
  EXPECT_EQ(description.name(), "color_analysis");
  EXPECT_EQ(description.frame_spec().format(), analyzer::v1::PIXEL_FORMAT_RGB24);
  EXPECT_EQ(description.frame_spec().max_side_px(), 160);
  EXPECT_EQ(description.sampling().sample_fps(), 2);
  ASSERT_EQ(description.depends_on_size(), 1);
  EXPECT_TRUE(description.depends_on(0).optional());
  EXPECT_EQ(description.options_type(), "reelsight.v1.ColorAnalysisOptions");
  EXPECT_TRUE(description.available());
}

TEST_F(ColorAnalyzerTest, ReportsTwoColorsWithNamesAndShares) {
  const std::shared_ptr<const Image> picture = Picture({30, 144, 255}, {255, 99, 71}, 32);
  const analyzer::v1::SummarizeResponse response = Summarize(MakeRequest({picture, picture}));
  ColorAnalysisResult result;
  ASSERT_TRUE(response.typed().UnpackTo(&result));
  ASSERT_EQ(result.dominant_colors_size(), 2);
  std::vector<std::string> colors;
  for (const auto& color : result.dominant_colors()) {
    EXPECT_FLOAT_EQ(color.share(), 0.5f);
    colors.push_back(color.hex() + " " + color.name());
  }
  std::sort(colors.begin(), colors.end());
  EXPECT_EQ(colors, (std::vector<std::string>{"#1e90ff dodgerblue", "#ff6347 tomato"}));
  // Without scenes the segment is one, and its label is that of its first colour.
  ASSERT_EQ(response.timeline_size(), 1);
  EXPECT_EQ(response.timeline(0).label(),
            result.dominant_colors(0).hex() + " " + result.dominant_colors(0).name() + " 50%");
  EXPECT_FLOAT_EQ(response.timeline(0).score(), 0.5f);
  EXPECT_EQ(response.model().name(), "classical");
}

TEST_F(ColorAnalyzerTest, StatisticsAreThoseTheApiDocuments) {
  // Black and white in equal parts: mean lightness 50, standard deviation 50.
  const ColorAnalysisResult halves = Result(MakeRequest({Picture({0, 0, 0}, {255, 255, 255})}));
  EXPECT_NEAR(halves.brightness(), 0.5, 1e-4);
  EXPECT_NEAR(halves.contrast(), 0.5, 1e-4);
  EXPECT_EQ(halves.saturation(), 0);
  ASSERT_TRUE(halves.has_temperature_kelvin());
  EXPECT_NEAR(halves.temperature_kelvin(), 6504, 10);

  const ColorAnalysisResult red = Result(MakeRequest({Picture({200, 100, 100}, {200, 100, 100})}));
  EXPECT_NEAR(red.saturation(), 0.5, 1e-6);
  EXPECT_NEAR(red.contrast(), 0, 1e-3);
  EXPECT_NEAR(red.brightness(), LabFromRgb({200, 100, 100}).lightness / 100, 1e-5);
  // The mean of 200 and 100 is taken in linear light.
  EXPECT_EQ(red.has_temperature_kelvin(),
            TemperatureKelvin({LinearFromSrgb(200), LinearFromSrgb(100), LinearFromSrgb(100)}).has_value());
}

TEST_F(ColorAnalyzerTest, BlackPicturesHaveNoTemperature) {
  const ColorAnalysisResult result = Result(MakeRequest({Picture({0, 0, 0}, {0, 0, 0})}));
  EXPECT_FALSE(result.has_temperature_kelvin());
  ASSERT_EQ(result.dominant_colors_size(), 1);
  EXPECT_EQ(result.dominant_colors(0).name(), "black");
  EXPECT_EQ(result.dominant_colors(0).share(), 1);
  EXPECT_EQ(result.contrast(), 0);
}

TEST_F(ColorAnalyzerTest, BlankSpansReachFromSampleToSample) {
  const auto black = Picture({0, 0, 0}, {0, 0, 0}), white = Picture({255, 255, 255}, {255, 255, 255});
  const auto picture = Picture({200, 30, 30}, {30, 200, 30});
  const analyzer::v1::SummarizeRequest request = MakeRequest({black, black, picture, white, picture, black});
  const ColorAnalysisResult result = Result(request);
  ASSERT_EQ(result.blank_spans_size(), 3);
  const auto expect = [&result](int index, ColorAnalysisResult::BlankSpan::Kind kind, double start, double end) {
    EXPECT_EQ(result.blank_spans(index).kind(), kind);
    EXPECT_EQ(analysis::FromProto(result.blank_spans(index).start_offset()), absl::Seconds(start));
    EXPECT_EQ(analysis::FromProto(result.blank_spans(index).end_offset()), absl::Seconds(end));
  };
  expect(0, ColorAnalysisResult::BlankSpan::BLACK, 0, 1);
  expect(1, ColorAnalysisResult::BlankSpan::WHITE, 1.5, 2);
  expect(2, ColorAnalysisResult::BlankSpan::BLACK, 2.5, 3);
  const analyzer::v1::SummarizeResponse response = Summarize(request);
  // The scene first, then the spans.
  ASSERT_EQ(response.timeline_size(), 4);
  EXPECT_EQ(response.timeline(1).label(), "black");
  EXPECT_EQ(response.timeline(2).label(), "white");
}

TEST_F(ColorAnalyzerTest, BlankSpansStayWithinTheirSegments) {
  const auto black = Picture({0, 0, 0}, {0, 0, 0});
  analyzer::v1::SummarizeRequest request = MakeRequest({black, black, black, black});
  request.clear_segments();
  AddSegment(request, absl::ZeroDuration(), absl::Milliseconds(900));
  AddSegment(request, absl::Milliseconds(950), absl::Milliseconds(2000));
  const ColorAnalysisResult result = Result(request);
  ASSERT_EQ(result.blank_spans_size(), 2);
  EXPECT_EQ(analysis::FromProto(result.blank_spans(0).end_offset()), absl::Milliseconds(900));
  EXPECT_EQ(analysis::FromProto(result.blank_spans(1).start_offset()), absl::Milliseconds(950));
  EXPECT_EQ(result.scenes_size(), 2);
}

TEST_F(ColorAnalyzerTest, EachSceneHasItsOwnColors) {
  const auto blue = Picture({0, 0, 255}, {0, 0, 255}), red = Picture({255, 0, 0}, {255, 0, 0});
  analyzer::v1::SummarizeRequest request = MakeRequest({blue, blue, red, red, red, red});
  AddScenes(request, {{absl::ZeroDuration(), absl::Milliseconds(980)},
                      {absl::Milliseconds(980), absl::Milliseconds(990)},
                      {absl::Milliseconds(990), absl::Seconds(3)}});
  const ColorAnalysisResult result = Result(request);
  ASSERT_EQ(result.scenes_size(), 3);
  EXPECT_EQ(result.scenes(0).dominant_colors(0).hex(), "#0000ff");
  EXPECT_EQ(result.scenes(0).dominant_colors_size(), 1);
  EXPECT_EQ(result.scenes(2).dominant_colors(0).hex(), "#ff0000");
  EXPECT_NEAR(result.scenes(2).statistics().brightness(), 0.5324, 1e-4);
  // No sampled frame fell into this one.
  EXPECT_EQ(result.scenes(1).dominant_colors_size(), 0);
  EXPECT_FALSE(result.scenes(1).has_statistics());
  EXPECT_EQ(analysis::FromProto(result.scenes(1).end_offset()), absl::Milliseconds(990));
  // The whole weighs frames equally.
  ASSERT_EQ(result.dominant_colors_size(), 2);
  EXPECT_EQ(result.dominant_colors(0).hex(), "#ff0000");
  EXPECT_NEAR(result.dominant_colors(0).share(), 4.0 / 6, 1e-6);
}

TEST_F(ColorAnalyzerTest, MaxColorsBoundsThePalette) {
  analyzer::v1::SummarizeRequest request = MakeRequest({Noise(1), Noise(2)});
  EXPECT_LE(Result(request).dominant_colors_size(), 6);
  v1::ColorAnalysisOptions options;
  options.set_max_colors(2);
  request.mutable_options()->PackFrom(options);
  EXPECT_EQ(Result(request).dominant_colors_size(), 2);
  options.set_max_colors(17);
  request.mutable_options()->PackFrom(options);
  const absl::Status status = host_->Summarize(request, CancelToken()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetMetadata(status, "field"), "max_colors");
}

TEST_F(ColorAnalyzerTest, SharesAddUpToAtMostOne) {
  const ColorAnalysisResult result = Result(MakeRequest({Noise(1), Noise(2), Noise(3)}));
  float sum = 0, last = 1;
  for (const auto& color : result.dominant_colors()) {
    EXPECT_GT(color.share(), 0);
    EXPECT_LE(color.share(), last);
    last = color.share();
    sum += color.share();
  }
  EXPECT_LE(sum, 1 + 1e-5);
  EXPECT_GT(sum, 0.9);
}

TEST_F(ColorAnalyzerTest, BatchingChangesNothing) {
  std::vector<std::shared_ptr<const Image>> frames;
  for (uint32_t seed = 0; seed < 12; ++seed) frames.push_back(Noise(seed));
  const std::vector<analyzer::v1::FrameResult> together = Analyze(frames, {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}});
  const std::vector<analyzer::v1::FrameResult> apart =
      Analyze(frames, {{7}, {2, 9}, {0, 4, 11}, {1, 3, 5, 6}, {8, 10}});
  ASSERT_EQ(together.size(), apart.size());
  for (size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].SerializeAsString(), apart[i].SerializeAsString()) << i;
  }
}

TEST_F(ColorAnalyzerTest, SmallestPicturesWork) {
  const ColorAnalysisResult result = Result(MakeRequest({Picture({0, 0, 0}, {255, 255, 255}, 2, 2)}));
  EXPECT_EQ(result.dominant_colors_size(), 2);
  EXPECT_NEAR(result.contrast(), 0.5, 1e-4);
}

TEST_F(ColorAnalyzerTest, NoSampledFrameIsNoError) {
  analyzer::v1::SummarizeRequest request;
  request.set_analyzer("color_analysis");
  AddSegment(request, absl::ZeroDuration(), absl::Milliseconds(100));
  const analyzer::v1::SummarizeResponse response = Summarize(request);
  ColorAnalysisResult result;
  ASSERT_TRUE(response.typed().UnpackTo(&result));
  EXPECT_EQ(result.dominant_colors_size(), 0);
  EXPECT_EQ(result.scenes_size(), 1);
  EXPECT_EQ(response.timeline_size(), 0);
}

TEST_F(ColorAnalyzerTest, RefusesForeignPayloadsAndOptions) {
  analyzer::v1::SummarizeRequest request = MakeRequest({Noise(1)});
  request.mutable_results(0)->set_payload("other");
  EXPECT_EQ(GetReason(host_->Summarize(request, CancelToken()).status()), "BAD_FRAME");
  request = MakeRequest({Noise(1)});
  request.mutable_options()->PackFrom(v1::SceneSegmentationOptions());
  EXPECT_EQ(GetReason(host_->Summarize(request, CancelToken()).status()), "INVALID_FIELD");
}

TEST_F(ColorAnalyzerTest, StopsWhenCancelled) {
  const CancelToken cancel;
  cancel.Cancel();
  const analyzer::v1::SummarizeRequest request = MakeRequest({Noise(1)});
  EXPECT_EQ(host_->Summarize(request, cancel).status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace reelsight::color_analysis
