// SPDX-License-Identifier: Apache-2.0
//
// From boxes in single frames to tracks through time, after ByteTrack [Zhang et al., 2022]: strong boxes are matched to
// the predicted tracks first, then weak ones to what is left, so that a weak box carries a track through an occlusion
// but never begins one. For 1 to 10 samples a second a third round matches strong boxes that moved too far to overlap,
// by boxes grown on all sides [C-BIoU, Yang et al., 2023]. Two things differ from the published tracker at that rate: a
// track counts from its first box, matched like any other, and a weak box may also carry on a track that was lost for
// some samples. Not a re-identifier: nobody looks at pixels.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "shared/inference/boxes.h"

namespace reelsight::tracking {

struct TrackerOptions {
  // Boxes from this score on begin tracks and are matched first.
  float high_score = 0.5F;
  // Boxes below it are not looked at.
  float low_score = 0.1F;
  // Least IoU of a strong box with a predicted track.
  double min_iou = 0.2;
  // The same for a weak box.
  double min_iou_weak = 0.4;
  // How far boxes grow in the third round, as a share of their size on each side; 0: no third round.
  double grow = 0.4;
  // Least IoU of grown boxes.
  double min_iou_grown = 0.15;
  // A track that was not seen for longer ends.
  absl::Duration max_gap = absl::Seconds(1);
  // If true, boxes of different labels never match.
  bool per_label = true;
};

// One sampled frame; boxes as fractions of the picture.
struct TrackedFrame {
  absl::Duration offset;
  std::vector<inference::Detection> detections;
};

// Observations of one object.
struct Track {
  struct Observation {
    // Index of the frame, and of the detection in it.
    int frame = 0;
    int detection = 0;
  };
  // The label of most of its observations' score.
  int label = 0;
  // Highest score.
  float score = 0;
  // Ascending by frame; at least one.
  std::vector<Observation> observations;
};

// Tracks by their first observation. `frames` ascend by offset; `cuts` ascend: no track lives across one.
// Deterministic.
std::vector<Track> TrackBoxes(const std::vector<TrackedFrame>& frames, const std::vector<absl::Duration>& cuts,
                              const TrackerOptions& options);

}  // namespace reelsight::tracking
