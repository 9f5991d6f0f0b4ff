// SPDX-License-Identifier: Apache-2.0
//
// Readings of single frames joined over time: one event for each text from its appearance to its disappearance.
//
// A reading continues a text if it stands where the text stood (or where its motion takes it) and reads nearly the
// same. Numbers are taken at their word: `step 1` and `step 2`, both read well, are two texts. One frame may miss a
// text. Cuts do not matter: a text that stays through one is one text.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "services/detection/text_overlay/text_payload.h"

namespace reelsight::text_overlay {

enum class Position { kCaption, kTitle, kCorner, kOther, kMoving };

struct TimedText {
  absl::Duration offset;
  FrameText frame;
};

struct TextEvent {
  struct Observation {
    // Indexes of the frame and of the reading in it.
    size_t frame = 0;
    size_t reading = 0;
  };
  absl::Duration start;
  // Exclusive: the first frame without the text, or the end.
  absl::Duration end;
  // The most trusted reading.
  Observation best;
  Position position = Position::kOther;
  // In order of time; at least one.
  std::vector<Observation> observations;
};

struct JoinOptions {
  // Least score of the best reading, in [0, 1].
  float min_score = 0.6F;
  // The same for a text that only one frame shows.
  float min_score_once = 0.8F;
  // The same for a text of one letter or digit.
  float min_score_short = 0.95F;
};

// Frames ascending by offset, of one uninterrupted stretch that ends at `end`. Events by start, then from top to
// bottom.
std::vector<TextEvent> JoinTexts(const std::vector<TimedText>& frames, absl::Duration end, const JoinOptions& options);

// Where a text of that quad stands in a picture of that size, if it does not move:
//   corner   wholly in the upper or lower 22% and the left or right 45%
//   caption  centre in the lower third and the middle 40%
//   title    height at least 6% of the geometric mean of the picture's sides, centre in the upper two thirds
//   other    anything else
Position StandingPosition(const Quad& quad, int width_px, int height_px);

}  // namespace reelsight::text_overlay
