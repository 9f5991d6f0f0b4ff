// SPDX-License-Identifier: Apache-2.0
//
// How cut_analysis finds transitions: a detector turns each frame into bytes by itself, then reads the whole series.
// The analyzer around it does options, shots, pace and messages, so another detector is one more class of this shape
// and one more entry in MakeCutAnalyzer().
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/lightweight/cut_analysis/frame_features.h"
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

// One analysed frame: its time and what Extract made of it.
struct FrameRecord {
  absl::Duration offset;
  std::string_view payload;
};

struct DetectionOptions {
  // In [0, 1]; higher reports more hard cuts and finds more false ones.
  float sensitivity = 0.5F;
  // Leaves out dissolves, fades and wipes.
  bool hard_cuts_only = false;
};

// Immutable after construction, so thread-safe.
class TransitionDetector {
 public:
  virtual ~TransitionDetector() = default;

  // What is kept of one frame, at most about 1 KiB.
  virtual std::string Extract(const I420View& image) const = 0;

  // Transitions of one uninterrupted series, ascending by offset; ascending by first, not overlapping. Frames may be
  // far apart, and not evenly spaced. INVALID_ARGUMENT, BAD_FRAME, for a payload that Extract did not make; the token's
  // status when cancelled.
  virtual absl::StatusOr<std::vector<Transition>> Detect(std::span<const FrameRecord> frames,
                                                         const DetectionOptions& options,
                                                         const CancelToken& cancel) const = 0;
};

}  // namespace reelsight::cut_analysis
