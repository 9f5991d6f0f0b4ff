// SPDX-License-Identifier: Apache-2.0
//
// From boxes in sampled frames to things followed through time, for every analyzer that reports some: one rule for
// where tracks end, for how long a thing may be missed, and for when its timeline entry ends. Not a tracker:
// services/tracking is.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "services/tracked_summary/stretches.h"
#include "services/tracking/byte_tracker.h"
#include "shared/inference/boxes.h"

namespace reelsight::tracked_summary {

struct FollowOptions {
  // Boxes from this score on begin tracks.
  float min_score = 0.5F;
  // Boxes from this score on carry tracks on; never above min_score.
  float low_score = 0.1F;
  // A thing may be missed in two samples in a row, and for at least this time.
  absl::Duration min_gap = absl::Seconds(0.5);
};

// The sightings of one request. Not thread-safe while frames are added.
class TrackedSummary {
 public:
  explicit TrackedSummary(const analyzer::v1::SummarizeRequest& request);

  // Frames in order of time.
  void AddFrame(absl::Duration offset, std::vector<inference::Detection> detections);

  // Presentation time and detection of an observation.
  absl::Duration OffsetOf(const tracking::Track::Observation& observation) const {
    return frames_[static_cast<size_t>(observation.frame)].offset;
  }
  const inference::Detection& DetectionOf(const tracking::Track::Observation& observation) const {
    return frames_[static_cast<size_t>(observation.frame)].detections[static_cast<size_t>(observation.detection)];
  }
  // Frames sampled in a second; 0 if it cannot be told.
  double sampled_fps() const { return sampled_fps_; }

  // Tracks by their first observation. None lives across a boundary of Stretches.
  std::vector<tracking::Track> Follow(const FollowOptions& options) const;

  // When something that was last seen at `last_offset` is gone: when the next sample would show it, but within its
  // stretch. So a timeline entry never reaches into a shot in which nothing was seen.
  absl::Duration GoneAt(absl::Duration last_offset) const;
  // Adds a timeline entry for something seen from `first_offset` to `last_offset`, both inclusive.
  void AddEntry(std::string label, float score, const google::protobuf::Duration& first_offset,
                const google::protobuf::Duration& last_offset, analyzer::v1::SummarizeResponse* response) const;

 private:
  const Stretches stretches_;
  const double sampled_fps_;
  std::vector<tracking::TrackedFrame> frames_;
};

// Numbers `track`, a message of a result, and sets first_offset and last_offset by its observations. REQUIRES: there is
// one.
template <typename Track>
void CloseTrack(int track_id, Track* track) {
  track->set_track_id(track_id);
  *track->mutable_first_offset() = track->observations(0).offset();
  *track->mutable_last_offset() = track->observations().rbegin()->offset();
}

// Copies `box` into a message with left, top, right and bottom.
template <typename Message>
void SetBox(const inference::Box& box, Message* out) {
  out->set_left(box.left);
  out->set_top(box.top);
  out->set_right(box.right);
  out->set_bottom(box.bottom);
}

}  // namespace reelsight::tracked_summary
