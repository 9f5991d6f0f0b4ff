// SPDX-License-Identifier: Apache-2.0
//
// How cut_analysis finds transitions in the frames of a series, by hand-made features alone or with what a neural
// network says of them. The analyzer around it runs the network, and does options, shots, pace and messages.
//
// Note [Two opinions]: the network and the features err differently: it takes flashes, pop-ups and objects that pass
// for cuts, they take what looks like a mix for a dissolve. So with a network both must agree: the score is the
// geometric mean of the two. Places, spans and kinds are those of the features, which know them to the frame; the
// network adds what they have no notion of, gradual changes that are no mix. The thresholds are those best on the
// tuning clips of tests/bench/cuts.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/lightweight/cut_analysis/frame_features.h"
#include "services/lightweight/cut_analysis/transnet.h"
#include "shared/base/cancel_token.h"

namespace reelsight::cut_analysis {

enum class TransitionKind { kHardCut, kDissolve, kFadeIn, kFadeOut, kWipe };

// One transition in a series of frames.
struct Transition {
  TransitionKind kind = TransitionKind::kHardCut;
  // Place in the series of the first frame that is no longer the old shot alone, and of the first that is the new shot
  // alone. Equal for a hard cut. 0 <= first <= end <= frames of the series.
  int first = 0;
  int end = 0;
  // Confidence in [0, 1].
  float score = 0;
};

struct DetectionOptions {
  // In [0, 1]; higher reports more hard cuts and finds more false ones.
  float sensitivity = 0.5F;
  // Leaves out dissolves, fades and wipes.
  bool hard_cuts_only = false;
};

// Transitions of one uninterrupted series of frames, given by their times, ascending, and their features; ascending by
// first, not overlapping. Frames may be far apart, and not evenly spaced. `network` has what a network says of each
// frame, or is empty. The token's status when cancelled.
absl::StatusOr<std::vector<Transition>> FindTransitions(const std::vector<absl::Duration>& offsets,
                                                        std::vector<FrameFeatures> features,
                                                        const DetectionOptions& options,
                                                        const ShotProbabilities& network, const CancelToken& cancel);

}  // namespace reelsight::cut_analysis
