// SPDX-License-Identifier: Apache-2.0
#include "services/detection/object_detection/object_analyzer.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "reelsight/v1/object_detection.pb.h"
#include "services/detection/object_detection/detection_payload.h"
#include "services/detection/object_detection/detector_head.h"
#include "services/model_analyzer/model_analyzer.h"
#include "services/model_analyzer/target_pictures.h"
#include "services/tracked_summary/tracked_summary.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"

namespace reelsight::object_detection {
namespace {

using config::v1::ModelEntry;
using inference::Detection;
using v1::ObjectDetectionOptions;
using v1::ObjectDetectionResult;

constexpr char kName[] = "object_detection";
// Weaker boxes are not even kept to carry tracks.
constexpr float kLowScore = 0.1F;
constexpr float kDefaultMinScore = 0.5F;

absl::StatusOr<std::unique_ptr<DetectorHead>> HeadFor(const ModelEntry& entry) {
  absl::StatusOr<std::unique_ptr<DetectorHead>> head =
      MakeDetectorHead(entry.family(), {.width_px = entry.input().width_px(),
                                        .height_px = entry.input().height_px(),
                                        .class_count = entry.labels_size(),
                                        .min_score = kLowScore});
  if (!head.ok()) return Annotate(head.status(), absl::StrCat("model ", entry.name()));
  return head;
}

// `2 persons`, `1 bus`.
std::string Counted(int count, const std::string& label) {
  if (count == 1) return absl::StrCat("1 ", label);
  if (label == "person") return absl::StrCat(count, " people");
  const bool hisses = !label.empty() && (label.back() == 's' || label.back() == 'x' || label.back() == 'h');
  return absl::StrCat(count, " ", label, hisses ? "es" : "s");
}

void FillCounts(ObjectDetectionResult* result) {
  struct Count {
    int tracks = 0;
    std::map<absl::Duration, int> at;
  };
  std::map<std::string, Count> counts;
  for (const ObjectDetectionResult::Track& track : result->tracks()) {
    Count& count = counts[track.label()];
    ++count.tracks;
    for (const auto& observation : track.observations()) ++count.at[analysis::FromProto(observation.offset())];
  }
  for (const auto& [label, count] : counts) {
    ObjectDetectionResult::Count& out = *result->add_counts();
    out.set_label(label);
    out.set_tracks(count.tracks);
    for (const auto& [offset, at_once] : count.at) out.set_most_at_once(std::max(out.most_at_once(), at_once));
  }
  std::stable_sort(result->mutable_counts()->begin(), result->mutable_counts()->end(),
                   [](const auto& a, const auto& b) { return a.tracks() > b.tracks(); });
}

void FillTracks(const tracked_summary::TrackedSummary& sightings, const ModelEntry& entry,
                const std::vector<tracking::Track>& tracks, const std::set<std::string>& wanted,
                ObjectDetectionResult* result) {
  for (const tracking::Track& track : tracks) {
    const std::string label = model_analyzer::LabelOf(entry, track.label);
    if (!wanted.empty() && !wanted.contains(label)) continue;
    ObjectDetectionResult::Track& out = *result->add_tracks();
    out.set_label(label);
    out.set_score(track.score);
    for (const tracking::Track::Observation& seen : track.observations) {
      const Detection& detection = sightings.DetectionOf(seen);
      ObjectDetectionResult::Observation& observation = *out.add_observations();
      *observation.mutable_offset() = analysis::ToProto(sightings.OffsetOf(seen));
      tracked_summary::SetBox(detection.box, observation.mutable_box());
      observation.set_score(detection.score);
    }
    tracked_summary::CloseTrack(result->tracks_size(), &out);
  }
}

std::string MakeHeadline(const ObjectDetectionResult& result) {
  if (result.counts().empty()) return "no objects";
  std::string headline;
  for (int i = 0; i < std::min(5, result.counts_size()); ++i) {
    absl::StrAppend(&headline, i == 0 ? "" : ", ", Counted(result.counts(i).tracks(), result.counts(i).label()));
  }
  if (const int more = result.counts_size() - 5; more > 0) {
    absl::StrAppend(&headline, " and ", more, more == 1 ? " more kind" : " more kinds");
  }
  return headline;
}

class ObjectAnalyzer final : public model_analyzer::OneModelAnalyzer<ObjectDetectionOptions, ObjectDetectionResult> {
 public:
  explicit ObjectAnalyzer(inference::ModelSource& models)
      : OneModelAnalyzer({.name = kName,
                          .description = "Objects, with their tracks and counts",
                          .max_side_px = 640,
                          .sample_fps = 3,
                          .reference_min_interval = 10,
                          .reference_divisor = 3,
                          .follows_cuts = true},
                         models) {}

 private:
  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view,
                                                        const ObjectDetectionOptions& /*options*/,
                                                        const inference::Model& model,
                                                        const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(const std::unique_ptr<DetectorHead> head, HeadFor(model.entry()));
    ASSIGN_OR_RETURN(const auto placed, model_analyzer::RunOnTargets(view, model, cancel, head->input()));
    std::vector<std::string> payloads;
    for (size_t i = 0; i < placed.outputs.size(); ++i) {
      absl::StatusOr<std::vector<Detection>> detections = head->Decode(placed.outputs[i], placed.places[i]);
      if (!detections.ok()) return Annotate(detections.status(), absl::StrCat("model ", model.entry().name()));
      payloads.push_back(EncodeDetections(*detections));
    }
    return payloads;
  }

  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const ObjectDetectionOptions& options,
                      const ModelEntry& entry, const CancelToken& cancel, ObjectDetectionResult* result,
                      analyzer::v1::SummarizeResponse* response) const override {
    tracked_summary::TrackedSummary sightings(request);
    for (const analyzer::v1::FrameResult& frame : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(std::vector<Detection> detections, DecodeDetections(frame.payload()));
      sightings.AddFrame(analysis::FromProto(frame.offset()), std::move(detections));
    }
    const float min_score = model_analyzer::MinScore(options, entry, kDefaultMinScore);
    FillTracks(sightings, entry, sightings.Follow({.min_score = min_score, .low_score = kLowScore}),
               {options.labels().begin(), options.labels().end()}, result);
    FillCounts(result);
    for (const ObjectDetectionResult::Track& track : result->tracks()) {
      sightings.AddEntry(track.label(), track.score(), track.first_offset(), track.last_offset(), response);
    }
    response->set_headline(MakeHeadline(*result));
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeObjectAnalyzer(inference::ModelSource& models) {
  return std::make_unique<ObjectAnalyzer>(models);
}

}  // namespace reelsight::object_detection
