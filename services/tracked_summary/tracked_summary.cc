// SPDX-License-Identifier: Apache-2.0
#include "services/tracked_summary/tracked_summary.h"

#include <algorithm>
#include <utility>

#include "shared/analysis/proto_time.h"

namespace reelsight::tracked_summary {

TrackedSummary::TrackedSummary(const analyzer::v1::SummarizeRequest& request)
    : stretches_(request),
      sampled_fps_(std::max(0.0, request.sample_fps() > 0 ? request.sample_fps() : request.video().frame_rate())) {}

void TrackedSummary::AddFrame(absl::Duration offset, std::vector<inference::Detection> detections) {
  frames_.push_back({offset, std::move(detections)});
}

std::vector<tracking::Track> TrackedSummary::Follow(const FollowOptions& options) const {
  tracking::TrackerOptions tracker;
  tracker.high_score = std::max(options.min_score, options.low_score);
  tracker.low_score = std::min(options.low_score, options.min_score);
  // Two samples and a half: sampled frames are not spaced evenly to the nanosecond.
  const absl::Duration two_samples = absl::Seconds(sampled_fps_ > 0 ? 3.5 / sampled_fps_ : 1);
  tracker.max_gap = std::max(options.min_gap, two_samples);
  return tracking::TrackBoxes(frames_, stretches_.boundaries(), tracker);
}

absl::Duration TrackedSummary::GoneAt(absl::Duration last_offset) const {
  const absl::Duration interval = absl::Seconds(sampled_fps_ > 0 ? 1 / sampled_fps_ : 0);
  return std::min(stretches_.EndOf(last_offset), last_offset + interval);
}

void TrackedSummary::AddEntry(std::string label, float score, const google::protobuf::Duration& first_offset,
                              const google::protobuf::Duration& last_offset,
                              analyzer::v1::SummarizeResponse* response) const {
  analyzer::v1::TimelineEntry& entry = *response->add_timeline();
  entry.set_label(std::move(label));
  entry.set_score(score);
  *entry.mutable_start_offset() = first_offset;
  *entry.mutable_end_offset() = analysis::ToProto(GoneAt(analysis::FromProto(last_offset)));
}

}  // namespace reelsight::tracked_summary
