// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/camera_analyzer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "opencv2/core/utility.hpp"
#include "reelsight/v1/camera_analysis.pb.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/lightweight/camera_analysis/global_motion.h"
#include "services/lightweight/camera_analysis/motion_segments.h"
#include "services/lightweight/camera_analysis/pair_payload.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::camera_analysis {
namespace {

using Motion = v1::CameraAnalysisResult;

constexpr char kModelVersion[] = "1";

std::string MotionName(Motion::Motion motion) {
  switch (motion) {
    case Motion::STATIC:
      return "static";
    case Motion::PAN_LEFT:
      return "pan left";
    case Motion::PAN_RIGHT:
      return "pan right";
    case Motion::TILT_UP:
      return "tilt up";
    case Motion::TILT_DOWN:
      return "tilt down";
    case Motion::ZOOM_IN:
      return "zoom in";
    case Motion::ZOOM_OUT:
      return "zoom out";
    case Motion::ROLL:
      return "roll";
    case Motion::HANDHELD:
      return "handheld";
    default:
      return "complex";
  }
}

// For instance `pan left 0.21/s`; a roll says its unit.
std::string SegmentLabel(const MotionSegment& segment) {
  const std::string name = MotionName(segment.motion);
  if (segment.motion == Motion::STATIC) return name;
  return absl::StrFormat("%s %.2g%s/s", name, segment.speed_per_second, segment.motion == Motion::ROLL ? " turns" : "");
}

struct Span {
  absl::Duration start;
  absl::Duration end;
};

// The parts of the analysed segments that the shots make of them. They tile the segments whatever the shots say.
std::vector<Span> FindShots(const analyzer::v1::SummarizeRequest& request, const v1::CutAnalysisResult& cuts) {
  std::vector<Span> shots;
  for (const analyzer::v1::Segment& segment : request.segments()) {
    Span shot = {analysis::FromProto(segment.start_offset()), analysis::FromProto(segment.end_offset())};
    const absl::Duration end = shot.end;
    for (const v1::CutAnalysisResult::Shot& other : cuts.shots()) {
      const absl::Duration start = analysis::FromProto(other.start_offset());
      if (start <= shot.start || start >= end) continue;
      shots.push_back({shot.start, start});
      shot.start = start;
    }
    shots.push_back({shot.start, end});
  }
  return shots;
}

// Longest time between two sampled frames over which the motion is followed.
constexpr absl::Duration kLongestGap = absl::Seconds(1);
// Slow motion is followed over this many sampled frames: if it moves the edge of the small picture by less than this
// from one to the next.
constexpr size_t kSlowReach = 3;
constexpr double kSlowPx = 1;

// One sampled frame.
struct Sampled {
  absl::Duration offset;
  PairPayload pair;
};

// The camera moves against the picture. Upwards is towards smaller y.
MotionRates ToRates(const GlobalMotion& motion, int width_px, int height_px, absl::Duration time) {
  const double seconds = absl::ToDoubleSeconds(time);
  return {.pan_per_second = -motion.shift_x_px / width_px / seconds,
          .tilt_per_second = motion.shift_y_px / height_px / seconds,
          .zoom_per_second = motion.log_scale / seconds,
          .roll_per_second = -motion.turn_radians / (2 * std::numbers::pi) / seconds};
}

// Motion from `earlier` to `later`, sampled frames, by their small pictures; nullopt if there is none to be found.
absl::StatusOr<std::optional<GlobalMotion>> Follow(const Sampled& earlier, const Sampled& later) {
  if (later.offset <= earlier.offset || later.offset - earlier.offset > kLongestGap ||
      earlier.pair.thumbnail->size() != later.pair.thumbnail->size()) {
    return std::nullopt;
  }
  const std::vector<FollowedMotion>& followed = later.pair.followed;
  const auto known = std::find_if(followed.begin(), followed.end(),
                                  [&](const FollowedMotion& one) { return one.earlier_offset == earlier.offset; });
  GlobalMotion motion;
  if (known != followed.end()) {
    motion = known->motion;
  } else {
    ASSIGN_OR_RETURN(motion, EstimateMotion(*earlier.pair.thumbnail, *later.pair.thumbnail));
  }
  if (motion.inlier_share <= 0) return std::nullopt;
  return motion;
}

bool IsSlow(const GlobalMotion& motion, const analysis::Image& picture) {
  const double reach_px = std::max(picture.width_px(), picture.height_px()) / 2.0;
  return std::max({std::abs(motion.shift_x_px), std::abs(motion.shift_y_px), std::abs(motion.log_scale) * reach_px,
                   std::abs(motion.turn_radians) * reach_px}) < kSlowPx;
}

// Follows the last of `frames` from those before it. Done where the frames come in, as far as a batch holds them; what
// is missing is made up for when they are summarized, with the same outcome.
absl::Status FollowLast(const std::vector<Sampled>& frames, std::vector<FollowedMotion>& followed) {
  const size_t last = frames.size() - 1;
  for (const size_t back : {size_t{1}, kSlowReach}) {
    if (last < back) break;
    const Sampled& earlier = frames[last - back];
    ASSIGN_OR_RETURN(const std::optional<GlobalMotion> motion, Follow(earlier, frames[last]));
    if (!motion.has_value()) break;
    followed.push_back({earlier.offset, *motion});
    if (!IsSlow(*motion, *frames[last].pair.thumbnail)) break;
  }
  return absl::OkStatus();
}

// Measures the motion that led to the last of `frames`, those of one shot so far, over a longer time.
absl::Status AddSteadyRates(const std::vector<const Sampled*>& frames, MotionSample& sample) {
  const size_t last = frames.size() - 1;
  if (last == 0) return absl::OkStatus();
  size_t from = last - 1;
  ASSIGN_OR_RETURN(std::optional<GlobalMotion> motion, Follow(*frames[from], *frames[last]));
  const analysis::Image& picture = *frames[last]->pair.thumbnail;
  if (motion.has_value() && last >= kSlowReach && IsSlow(*motion, picture)) {
    ASSIGN_OR_RETURN(const std::optional<GlobalMotion> longer, Follow(*frames[last - kSlowReach], *frames[last]));
    if (longer.has_value()) {
      motion = longer;
      from = last - kSlowReach;
    }
  }
  if (!motion.has_value()) return absl::OkStatus();
  sample.steady_from = frames[from]->offset;
  sample.steady_rates =
      ToRates(*motion, picture.width_px(), picture.height_px(), frames[last]->offset - sample.steady_from);
  return absl::OkStatus();
}

// The pairs that lie in [start, end), with the motion from sampled frames before.
absl::StatusOr<std::vector<MotionSample>> SamplesIn(const std::vector<Sampled>& all, absl::Duration start,
                                                    absl::Duration end, const CancelToken& cancel) {
  std::vector<MotionSample> samples;
  std::vector<const Sampled*> frames;
  for (const Sampled& frame : all) {
    if (frame.offset < start || frame.offset >= end) continue;
    RETURN_IF_ERROR(cancel.status());
    frames.push_back(&frame);
    const PairPayload& pair = frame.pair;
    // Both frames of a pair lie in the shot: a pair across a cut says nothing.
    if (!pair.has_pair || pair.earlier_offset < start || pair.earlier_offset >= frame.offset) continue;
    MotionSample sample{.from = pair.earlier_offset, .to = frame.offset};
    sample.rates = ToRates(pair.motion, pair.width_px, pair.height_px, frame.offset - pair.earlier_offset);
    sample.inlier_share = pair.motion.inlier_share;
    sample.repeated = pair.motion.repeated;
    if (sample.inlier_share > 0) RETURN_IF_ERROR(AddSteadyRates(frames, sample));
    samples.push_back(sample);
  }
  return samples;
}

void AddSample(const MotionSample& sample, Motion& result) {
  Motion::Sample& out = *result.add_samples();
  *out.mutable_offset() = analysis::ToProto(sample.to);
  out.set_pan_per_second(static_cast<float>(sample.rates.pan_per_second));
  out.set_tilt_per_second(static_cast<float>(sample.rates.tilt_per_second));
  out.set_zoom_per_second(static_cast<float>(sample.rates.zoom_per_second));
  out.set_roll_per_second(static_cast<float>(sample.rates.roll_per_second));
  out.set_inlier_share(static_cast<float>(sample.inlier_share));
}

void AddSegment(const MotionSegment& segment, Motion& result, analyzer::v1::SummarizeResponse& response) {
  Motion::Segment& out = *result.add_segments();
  *out.mutable_start_offset() = analysis::ToProto(segment.start);
  *out.mutable_end_offset() = analysis::ToProto(segment.end);
  out.set_motion(segment.motion);
  out.set_speed_per_second(static_cast<float>(segment.speed_per_second));
  out.set_score(static_cast<float>(segment.score));
  analyzer::v1::TimelineEntry& entry = *response.add_timeline();
  entry.set_label(SegmentLabel(segment));
  *entry.mutable_start_offset() = out.start_offset();
  *entry.mutable_end_offset() = out.end_offset();
  entry.set_score(out.score());
}

// For instance `pan left 62%, static 38%`: share of time, largest first.
std::string MakeHeadline(const Motion& result) {
  std::map<Motion::Motion, absl::Duration> lengths;
  absl::Duration total;
  for (const Motion::Segment& segment : result.segments()) {
    const absl::Duration length =
        analysis::FromProto(segment.end_offset()) - analysis::FromProto(segment.start_offset());
    lengths[segment.motion()] += length;
    total += length;
  }
  std::vector<std::pair<Motion::Motion, absl::Duration>> sorted(lengths.begin(), lengths.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& left, const auto& right) { return left.second > right.second; });
  std::string headline;
  for (const auto& [motion, length] : sorted) {
    const double share = total > absl::ZeroDuration() ? absl::FDivDuration(length, total) : 1;
    absl::StrAppendFormat(&headline, "%s%s %.0f%%", headline.empty() ? "" : ", ", MotionName(motion), 100 * share);
  }
  return headline;
}

class CameraAnalyzer final : public analysis::Analyzer {
 public:
  analyzer::v1::AnalyzerDescription Describe() const override {
    analyzer::v1::AnalyzerDescription description;
    description.set_name("camera_analysis");
    description.set_description("Camera motion in each shot: static, pan, tilt, zoom, roll, handheld, with speeds");
    description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_GRAY8);
    description.mutable_frame_spec()->set_max_side_px(320);
    analyzer::v1::Sampling& sampling = *description.mutable_sampling();
    sampling.set_sample_fps(6);
    sampling.set_reference_min_interval(5);
    sampling.set_reference_divisor(6);
    sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_DECODED);
    sampling.set_context_frames(1);
    description.set_batch_frames(32);
    description.add_depends_on()->set_analyzer("cut_analysis");
    description.set_options_type(v1::CameraAnalysisOptions::descriptor()->full_name());
    description.set_result_type(Motion::descriptor()->full_name());
    *description.add_models() = analysis::ClassicalModel(kModelVersion);
    description.set_available(true);
    return description;
  }

  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override {
    std::vector<Sampled> targets;
    const analysis::Frame* before = nullptr;
    for (const analysis::BatchView::Item& item : view.items) {
      const analysis::Frame& frame = *item.frame;
      if (item.target) {
        RETURN_IF_ERROR(cancel.status());
        PairPayload pair;
        // Another frame that happens to precede it in this batch is no neighbour.
        if (before != nullptr && before->index + 1 == frame.index) {
          pair.has_pair = true;
          pair.earlier_offset = before->offset;
          pair.width_px = frame.image->width_px();
          pair.height_px = frame.image->height_px();
          ASSIGN_OR_RETURN(pair.motion, EstimateMotion(*before->image, *frame.image));
        }
        ASSIGN_OR_RETURN(pair.thumbnail, MakeThumbnail(*frame.image));
        targets.push_back({frame.offset, std::move(pair)});
        RETURN_IF_ERROR(FollowLast(targets, targets.back().pair.followed));
      }
      before = &frame;
    }
    std::vector<std::string> payloads;
    payloads.reserve(targets.size());
    for (const Sampled& target : targets) payloads.push_back(EncodePair(target.pair));
    return payloads;
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const SegmentationOptions options, ReadOptions(request));
    const auto cuts = analysis::DependencyResult<v1::CutAnalysisResult>(request, "cut_analysis");
    if (cuts == nullptr) {
      return WithMetadata(MakeError(absl::StatusCode::kFailedPrecondition, Reason::kDependencyFailed,
                                    "camera_analysis needs the shots of cut_analysis"),
                          "dependency", "cut_analysis");
    }
    std::vector<Sampled> frames;
    for (const analyzer::v1::FrameResult& frame : request.results()) {
      ASSIGN_OR_RETURN(PairPayload pair, DecodePair(frame.payload()));
      frames.push_back({analysis::FromProto(frame.offset()), std::move(pair)});
    }

    Motion result;
    analyzer::v1::SummarizeResponse response;
    for (const Span& shot : FindShots(request, *cuts)) {
      ASSIGN_OR_RETURN(const std::vector<MotionSample> inside, SamplesIn(frames, shot.start, shot.end, cancel));
      for (const MotionSample& sample : inside) AddSample(sample, result);
      for (const MotionSegment& segment : SegmentMotion(inside, shot.start, shot.end, options)) {
        AddSegment(segment, result, response);
      }
    }
    response.set_headline(MakeHeadline(result));
    response.mutable_typed()->PackFrom(result);
    *response.mutable_model() = analysis::ClassicalModel(kModelVersion);
    return response;
  }

 private:
  static absl::StatusOr<SegmentationOptions> ReadOptions(const analyzer::v1::SummarizeRequest& request) {
    ASSIGN_OR_RETURN(const v1::CameraAnalysisOptions given,
                     analysis::UnpackOptions<v1::CameraAnalysisOptions>(request.options()));
    SegmentationOptions options;
    if (given.has_min_speed_per_second()) options.min_speed_per_second = given.min_speed_per_second();
    // The smallest allowed value is 0.001, which as a float is a little more or less.
    if (!(options.min_speed_per_second >= 0.000999 && options.min_speed_per_second <= 1)) {
      return InvalidField("min_speed_per_second", absl::StrCat(options.min_speed_per_second, " is not in [0.001, 1]"));
    }
    if (given.has_min_segment()) options.min_segment = analysis::FromProto(given.min_segment());
    if (options.min_segment < absl::ZeroDuration() || options.min_segment > absl::Seconds(10)) {
      return InvalidField("min_segment",
                          absl::StrCat(absl::FormatDuration(options.min_segment), " is not in [0 s, 10 s]"));
    }
    if (request.video().width_px() > 0 && request.video().height_px() > 0) {
      options.aspect_ratio = static_cast<double>(request.video().width_px()) / request.video().height_px();
    }
    return options;
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeCameraAnalyzer() {
  cv::setNumThreads(1);
  return std::make_unique<CameraAnalyzer>();
}

}  // namespace reelsight::camera_analysis
