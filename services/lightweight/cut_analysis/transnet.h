// SPDX-License-Identifier: Apache-2.0
//
// TransNetV2 [Soucek and Lokoc, 2020] over a series of thumbnails: windows, probabilities, and the shots that its
// authors make of them. Which transitions cut_analysis reports is decided in transition_detector.h.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/cancel_token.h"
#include "shared/inference/model_source.h"

namespace reelsight::cut_analysis {

// For each frame of a series, in [0, 1].
struct ShotProbabilities {
  // That the frame is the last of its shot; of a gradual transition, its middle.
  std::vector<float> boundary;
  // That the frame is part of a transition: the last frame of a shot at a hard cut, all frames of a gradual one.
  std::vector<float> transition;

  bool empty() const { return boundary.empty(); }
};

// The thumbnails of a series, each of kThumbnailBytes and made when it is wanted: a long video's are not all in memory.
struct ThumbnailSeries {
  int count = 0;
  // That of frame `index`; called by one thread.
  std::function<std::string(int index)> at;
};

// Runs the network over windows of 100 frames, 50 frames apart, and takes the middle 50 of each; before the first and
// after the last frame these are repeated, as published. A few windows are in memory at once, whatever the length; as
// many threads as the model has use for run them. `client` as in Model::Run. INTERNAL, INVALID_MODEL_OUTPUT, if the
// model's inputs and outputs are not those of TransNetV2: frames [n, 100, 27, 48, 3], uint8 or float32 in 0..255, to
// two probabilities [n, 100].
absl::StatusOr<ShotProbabilities> RunTransNet(const inference::Model& model, const ThumbnailSeries& thumbnails,
                                              const std::string& client, const CancelToken& cancel);

// The same for several series that do not belong together, one answer for each. Those of fewer than 50 frames share
// windows: however many there are, no more than twice the windows run that one series of all frames would take. The
// last frame of a series ends no shot. In a series of one frame there is nothing to find; the network does not look at
// it.
absl::StatusOr<std::vector<ShotProbabilities>> RunTransNetOnSeries(const inference::Model& model,
                                                                   std::span<const ThumbnailSeries> series,
                                                                   const std::string& client,
                                                                   const CancelToken& cancel);

// Shots as first and last frame, by the published rule: frames whose boundary probability is above `threshold` part
// them, and belong to neither but the first of each run.
std::vector<std::pair<int, int>> PublishedScenes(std::span<const float> boundary, float threshold);

}  // namespace reelsight::cut_analysis
