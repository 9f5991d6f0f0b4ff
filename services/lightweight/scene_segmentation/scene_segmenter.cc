// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/scene_segmentation/scene_segmenter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "reelsight/v1/scene_segmentation.pb.h"
#include "services/lightweight/scene_segmentation/shot_grouping.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::scene_segmentation {
namespace {

using analysis::FromProto;
using v1::CutAnalysisResult;
using v1::SceneSegmentationOptions;
using v1::SceneSegmentationResult;

constexpr char kName[] = "scene_segmentation";
constexpr char kModelVersion[] = "1";
constexpr char kCutAnalysis[] = "cut_analysis";

class SceneSegmenter final : public analysis::Analyzer {
 public:
  analyzer::v1::AnalyzerDescription Describe() const override;
  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override;
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override;
};

analyzer::v1::AnalyzerDescription SceneSegmenter::Describe() const {
  analyzer::v1::AnalyzerDescription description;
  description.set_name(kName);
  description.set_description("Groups the shots of cut_analysis into scenes by how alike they look");
  description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_I420);
  description.mutable_frame_spec()->set_max_side_px(160);
  description.mutable_sampling()->set_sample_fps(1);
  description.mutable_sampling()->set_reference_min_interval(30);
  description.mutable_sampling()->set_reference_divisor(1);
  description.set_batch_frames(32);
  description.add_depends_on()->set_analyzer(kCutAnalysis);
  description.set_options_type(SceneSegmentationOptions::descriptor()->full_name());
  description.set_result_type(SceneSegmentationResult::descriptor()->full_name());
  *description.add_models() = analysis::ClassicalModel(kModelVersion);
  description.set_available(true);
  return description;
}

absl::StatusOr<std::vector<std::string>> SceneSegmenter::AnalyzeFrames(const analysis::BatchView& view,
                                                                       const CancelToken& cancel) {
  std::vector<std::string> payloads;
  payloads.reserve(view.items.size());
  for (const analysis::BatchView::Item& item : view.items) {
    if (!item.target) continue;
    RETURN_IF_ERROR(cancel.status());
    if (item.frame->image->format() != analysis::PixelFormat::kI420) {
      return InvalidArgument(Reason::kBadFrame, "scene_segmentation: frames must be I420, as Describe says");
    }
    payloads.push_back(EncodeAppearance(DescribeAppearance(*item.frame->image)));
  }
  return payloads;
}

// Index of the segment that `offset` lies in; the last one that starts at or before it. Segments ascend.
int SegmentOf(const analyzer::v1::SummarizeRequest& request, absl::Duration offset) {
  const auto after = std::upper_bound(
      request.segments().begin(), request.segments().end(), offset,
      [](absl::Duration at, const analyzer::v1::Segment& segment) { return at < FromProto(segment.start_offset()); });
  return std::max(0, static_cast<int>(after - request.segments().begin()) - 1);
}

std::vector<GroupedShot> MakeShots(const analyzer::v1::SummarizeRequest& request, const CutAnalysisResult& cuts) {
  std::vector<GroupedShot> shots;
  for (const CutAnalysisResult::Shot& shot : cuts.shots()) {
    const absl::Duration start = FromProto(shot.start_offset());
    shots.push_back({start, FromProto(shot.end_offset()), SegmentOf(request, start), {}});
  }
  return shots;
}

bool InTransition(const CutAnalysisResult& cuts, absl::Duration offset) {
  for (const CutAnalysisResult::Transition& transition : cuts.transitions()) {
    if (offset >= FromProto(transition.start_offset()) && offset < FromProto(transition.end_offset())) return true;
  }
  return false;
}

// Gives each sampled frame to its shot. A frame amid a dissolve or fade shows two shots, or none: it serves only a shot
// that has no other.
absl::Status PlaceFrames(const analyzer::v1::SummarizeRequest& request, const CutAnalysisResult& cuts,
                         std::vector<GroupedShot>& shots, const CancelToken& cancel) {
  std::vector<std::vector<Appearance>> blended(shots.size());
  size_t next = 0;
  for (const analyzer::v1::FrameResult& result : request.results()) {
    RETURN_IF_ERROR(cancel.status());
    const absl::Duration offset = FromProto(result.offset());
    while (next < shots.size() && shots[next].end <= offset) ++next;
    if (next == shots.size() || offset < shots[next].start) continue;
    ASSIGN_OR_RETURN(Appearance appearance, DecodeAppearance(result.payload()));
    (InTransition(cuts, offset) ? blended[next] : shots[next].frames).push_back(appearance);
  }
  for (size_t i = 0; i < shots.size(); ++i) {
    if (shots[i].frames.empty()) shots[i].frames = std::move(blended[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<analyzer::v1::SummarizeResponse> SceneSegmenter::Summarize(const analyzer::v1::SummarizeRequest& request,
                                                                          const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<SceneSegmentationOptions>(request.options()));
  const auto cuts = analysis::DependencyResult<CutAnalysisResult>(request, kCutAnalysis);
  if (cuts == nullptr || cuts->shots().empty()) {
    return WithMetadata(MakeError(absl::StatusCode::kFailedPrecondition, Reason::kDependencyFailed,
                                  "scene_segmentation: cut_analysis gave no shots; see its own status"),
                        "dependency", kCutAnalysis);
  }
  GroupingOptions grouping;
  if (options.has_strictness()) grouping.strictness = options.strictness();
  if (options.has_max_gap()) grouping.max_gap = FromProto(options.max_gap());
  std::vector<GroupedShot> shots = MakeShots(request, *cuts);
  RETURN_IF_ERROR(PlaceFrames(request, *cuts, shots, cancel));
  const std::vector<Scene> scenes = GroupShots(shots, grouping, cancel);
  RETURN_IF_ERROR(cancel.status());

  SceneSegmentationResult result;
  analyzer::v1::SummarizeResponse response;
  for (const Scene& scene : scenes) {
    SceneSegmentationResult::Scene& out = *result.add_scenes();
    *out.mutable_start_offset() = cuts->shots(scene.first).start_offset();
    *out.mutable_end_offset() = cuts->shots(scene.last).end_offset();
    for (int shot = scene.first; shot <= scene.last; ++shot) out.add_shot_indexes(shot);
    analyzer::v1::TimelineEntry& entry = *response.add_timeline();
    entry.set_kind(analyzer::v1::TimelineEntry::KIND_SCENE);
    entry.set_label(absl::StrCat("scene ", result.scenes_size()));
    *entry.mutable_start_offset() = out.start_offset();
    *entry.mutable_end_offset() = out.end_offset();
    entry.set_score(1);
  }
  const int scene_count = result.scenes_size(), shot_count = cuts->shots_size();
  response.mutable_typed()->PackFrom(result);
  response.set_headline(absl::StrFormat("%d %s of %d %s", scene_count, scene_count == 1 ? "scene" : "scenes",
                                        shot_count, shot_count == 1 ? "shot" : "shots"));
  *response.mutable_model() = analysis::ClassicalModel(kModelVersion);
  return response;
}

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeSceneSegmenter() { return std::make_unique<SceneSegmenter>(); }

}  // namespace reelsight::scene_segmentation
