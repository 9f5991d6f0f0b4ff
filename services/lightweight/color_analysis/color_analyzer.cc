// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/color_analyzer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "reelsight/v1/color_analysis.pb.h"
#include "reelsight/v1/scene_segmentation.pb.h"
#include "services/lightweight/color_analysis/cielab.h"
#include "services/lightweight/color_analysis/css_colors.h"
#include "services/lightweight/color_analysis/frame_colors.h"
#include "services/lightweight/color_analysis/palette.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::color_analysis {
namespace {

using BlankSpan = v1::ColorAnalysisResult::BlankSpan;

constexpr int kDefaultMaxColors = 6;
constexpr char kModelVersion[] = "1";

struct Span {
  absl::Duration start;
  absl::Duration end;
};

struct Sample {
  absl::Duration offset;
  FrameColors colors;
};

// What the pictures of a span have together.
class SpanColors {
 public:
  void Add(const FrameColors& colors) {
    sums_.Add(colors.sums);
    for (const ColorCell& cell : colors.cells) histogram_.Add(cell.mean, cell.count);
  }
  const ColorSums& sums() const { return sums_; }
  bool empty() const { return sums_.pixels == 0; }
  std::vector<PaletteColor> Palette(int max_colors) {
    return FindPalette(histogram_.Take(), {.max_colors = max_colors});
  }

 private:
  ColorSums sums_;
  ColorHistogram histogram_;
};

v1::ColorAnalysisResult::Statistics MakeStatistics(const ColorSums& sums) {
  const auto pixels = static_cast<double>(sums.pixels);
  const double brightness = sums.lightness / pixels;
  const double variance = std::max(0.0, sums.squared_lightness / pixels - brightness * brightness);
  v1::ColorAnalysisResult::Statistics statistics;
  statistics.set_brightness(static_cast<float>(std::clamp(brightness, 0.0, 1.0)));
  statistics.set_contrast(static_cast<float>(std::min(std::sqrt(variance), 0.5)));
  statistics.set_saturation(static_cast<float>(std::clamp(sums.saturation / pixels, 0.0, 1.0)));
  const LinearRgb mean = {sums.linear.red / pixels, sums.linear.green / pixels, sums.linear.blue / pixels};
  if (const std::optional<float> kelvin = TemperatureKelvin(mean)) statistics.set_temperature_kelvin(*kelvin);
  return statistics;
}

v1::ColorAnalysisResult::DominantColor MakeDominantColor(const PaletteColor& color) {
  v1::ColorAnalysisResult::DominantColor dominant;
  dominant.set_hex(ToHex(RgbFromLab(color.mean)));
  dominant.set_name(std::string(NearestCssColor(color.mean).name));
  dominant.set_share(static_cast<float>(std::min(color.share, 1.0)));
  return dominant;
}

// For instance `#1e90ff dodgerblue 41%`.
std::string ColorLabel(const v1::ColorAnalysisResult::DominantColor& color) {
  return absl::StrFormat("%s %s %.0f%%", color.hex(), color.name(), 100 * color.share());
}

std::vector<Span> FindScenes(const analyzer::v1::SummarizeRequest& request) {
  std::vector<Span> scenes;
  const auto segmentation = analysis::DependencyResult<v1::SceneSegmentationResult>(request, "scene_segmentation");
  if (segmentation != nullptr) {
    for (const v1::SceneSegmentationResult::Scene& scene : segmentation->scenes()) {
      scenes.push_back({analysis::FromProto(scene.start_offset()), analysis::FromProto(scene.end_offset())});
    }
  }
  if (!scenes.empty()) return scenes;
  for (const analyzer::v1::Segment& segment : request.segments()) {
    scenes.push_back({analysis::FromProto(segment.start_offset()), analysis::FromProto(segment.end_offset())});
  }
  return scenes;
}

BlankSpan::Kind KindOf(const FrameColors& colors) {
  if (colors.IsBlack()) return BlankSpan::BLACK;
  return colors.IsWhite() ? BlankSpan::WHITE : BlankSpan::KIND_UNSPECIFIED;
}

// Samples of `segment`, in order of time.
std::vector<const Sample*> SamplesIn(const std::vector<Sample>& samples, const Span& span) {
  std::vector<const Sample*> inside;
  for (const Sample& sample : samples) {
    if (sample.offset >= span.start && sample.offset < span.end) inside.push_back(&sample);
  }
  return inside;
}

void AddBlankSpans(const std::vector<Sample>& samples, const Span& segment, v1::ColorAnalysisResult& result) {
  const std::vector<const Sample*> inside = SamplesIn(samples, segment);
  for (size_t i = 0; i < inside.size();) {
    const BlankSpan::Kind kind = KindOf(inside[i]->colors);
    size_t next = i + 1;
    while (next < inside.size() && KindOf(inside[next]->colors) == kind) ++next;
    if (kind != BlankSpan::KIND_UNSPECIFIED) {
      BlankSpan& span = *result.add_blank_spans();
      span.set_kind(kind);
      *span.mutable_start_offset() = analysis::ToProto(i == 0 ? segment.start : inside[i]->offset);
      *span.mutable_end_offset() = analysis::ToProto(next < inside.size() ? inside[next]->offset : segment.end);
    }
    i = next;
  }
}

void FillTimeline(const v1::ColorAnalysisResult& result, analyzer::v1::SummarizeResponse& response) {
  for (const v1::ColorAnalysisResult::SceneColors& scene : result.scenes()) {
    if (scene.dominant_colors().empty()) continue;
    analyzer::v1::TimelineEntry& entry = *response.add_timeline();
    entry.set_label(ColorLabel(scene.dominant_colors(0)));
    entry.set_score(scene.dominant_colors(0).share());
    *entry.mutable_start_offset() = scene.start_offset();
    *entry.mutable_end_offset() = scene.end_offset();
  }
  for (const BlankSpan& span : result.blank_spans()) {
    analyzer::v1::TimelineEntry& entry = *response.add_timeline();
    entry.set_label(span.kind() == BlankSpan::BLACK ? "black" : "white");
    entry.set_score(1);
    *entry.mutable_start_offset() = span.start_offset();
    *entry.mutable_end_offset() = span.end_offset();
  }
  std::stable_sort(response.mutable_timeline()->begin(), response.mutable_timeline()->end(),
                   [](const analyzer::v1::TimelineEntry& left, const analyzer::v1::TimelineEntry& right) {
                     return analysis::FromProto(left.start_offset()) < analysis::FromProto(right.start_offset());
                   });
}

std::string MakeHeadline(const v1::ColorAnalysisResult& result) {
  if (result.dominant_colors().empty()) return "no frame was sampled";
  std::string headline;
  for (int i = 0; i < std::min(3, result.dominant_colors_size()); ++i) {
    absl::StrAppendFormat(&headline, "%s%s", i == 0 ? "" : ", ", ColorLabel(result.dominant_colors(i)));
  }
  absl::StrAppendFormat(&headline, "; brightness %.2f, contrast %.2f, saturation %.2f", result.brightness(),
                        result.contrast(), result.saturation());
  if (result.has_temperature_kelvin()) absl::StrAppendFormat(&headline, ", %.0f K", result.temperature_kelvin());
  return headline;
}

class ColorAnalyzer final : public analysis::Analyzer {
 public:
  analyzer::v1::AnalyzerDescription Describe() const override {
    analyzer::v1::AnalyzerDescription description;
    description.set_name("color_analysis");
    description.set_description(
        "Dominant colours, brightness, contrast, saturation, colour temperature, black and white spans");
    description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_RGB24);
    description.mutable_frame_spec()->set_max_side_px(160);
    description.mutable_sampling()->set_sample_fps(2);
    description.mutable_sampling()->set_reference_min_interval(15);
    description.mutable_sampling()->set_reference_divisor(2);
    description.set_batch_frames(32);
    analyzer::v1::Dependency& dependency = *description.add_depends_on();
    dependency.set_analyzer("scene_segmentation");
    dependency.set_optional(true);
    description.set_options_type(v1::ColorAnalysisOptions::descriptor()->full_name());
    description.set_result_type(v1::ColorAnalysisResult::descriptor()->full_name());
    *description.add_models() = analysis::ClassicalModel(kModelVersion);
    description.set_available(true);
    return description;
  }

  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override {
    ColorHistogram histogram;
    std::vector<std::string> payloads;
    for (const analysis::BatchView::Item& item : view.items) {
      if (!item.target) continue;
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(const FrameColors colors, MeasureColors(*item.frame->image, histogram));
      payloads.push_back(EncodeFrameColors(colors));
    }
    return payloads;
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const int max_colors, MaxColors(request));
    std::vector<Sample> samples;
    SpanColors whole;
    for (const analyzer::v1::FrameResult& frame : request.results()) {
      ASSIGN_OR_RETURN(FrameColors colors, DecodeFrameColors(frame.payload()));
      whole.Add(colors);
      samples.push_back({analysis::FromProto(frame.offset()), std::move(colors)});
    }

    v1::ColorAnalysisResult result;
    if (!whole.empty()) {
      const v1::ColorAnalysisResult::Statistics statistics = MakeStatistics(whole.sums());
      result.set_brightness(statistics.brightness());
      result.set_contrast(statistics.contrast());
      result.set_saturation(statistics.saturation());
      if (statistics.has_temperature_kelvin()) result.set_temperature_kelvin(statistics.temperature_kelvin());
      for (const PaletteColor& color : whole.Palette(max_colors)) {
        *result.add_dominant_colors() = MakeDominantColor(color);
      }
    }
    for (const Span& scene : FindScenes(request)) {
      RETURN_IF_ERROR(cancel.status());
      v1::ColorAnalysisResult::SceneColors& scene_colors = *result.add_scenes();
      *scene_colors.mutable_start_offset() = analysis::ToProto(scene.start);
      *scene_colors.mutable_end_offset() = analysis::ToProto(scene.end);
      SpanColors colors;
      for (const Sample* sample : SamplesIn(samples, scene)) colors.Add(sample->colors);
      if (colors.empty()) continue;
      *scene_colors.mutable_statistics() = MakeStatistics(colors.sums());
      for (const PaletteColor& color : colors.Palette(max_colors)) {
        *scene_colors.add_dominant_colors() = MakeDominantColor(color);
      }
    }
    for (const analyzer::v1::Segment& segment : request.segments()) {
      AddBlankSpans(samples, {analysis::FromProto(segment.start_offset()), analysis::FromProto(segment.end_offset())},
                    result);
    }

    analyzer::v1::SummarizeResponse response;
    response.mutable_typed()->PackFrom(result);
    FillTimeline(result, response);
    response.set_headline(MakeHeadline(result));
    *response.mutable_model() = analysis::ClassicalModel(kModelVersion);
    return response;
  }

 private:
  static absl::StatusOr<int> MaxColors(const analyzer::v1::SummarizeRequest& request) {
    ASSIGN_OR_RETURN(const v1::ColorAnalysisOptions options,
                     analysis::UnpackOptions<v1::ColorAnalysisOptions>(request.options()));
    if (!options.has_max_colors()) return kDefaultMaxColors;
    if (options.max_colors() < 1 || options.max_colors() > 16) {
      return InvalidField("max_colors", absl::StrFormat("%d is not within [1, 16]", options.max_colors()));
    }
    return options.max_colors();
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeColorAnalyzer() { return std::make_unique<ColorAnalyzer>(); }

}  // namespace reelsight::color_analysis
