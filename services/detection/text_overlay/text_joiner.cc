// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_joiner.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "services/detection/text_overlay/text_similarity.h"
#include "shared/inference/boxes.h"

namespace reelsight::text_overlay {
namespace {

using inference::Box;

// The same place: so much overlap, or centres so near in heights of the text.
constexpr float kSamePlaceIoU = 0.3F;
constexpr double kSamePlaceHeights = 0.75;
// The same text: so alike at the same place, so alike if it moved.
constexpr double kAlike = 0.6;
constexpr double kAlikeMoved = 0.8;
// Of a text that the edge cuts, the part that both readings share.
constexpr double kAlikeCut = 0.7;
constexpr size_t kMinCutRun = 4;
// Readings whose numbers are believed.
constexpr float kSureScore = 0.9F;
constexpr double kMinHeightRatio = 0.6;
// A moving text: farthest step in diagonals a second, tolerance of its prediction.
constexpr double kMaxStepDiagonals = 0.5;
constexpr double kStepTolerance = 0.35;
constexpr double kStepToleranceHeights = 1.5;
// It has moved for good: so many heights, and so much of the diagonal.
constexpr double kMovedHeights = 1.5;
constexpr double kMovedDiagonals = 0.04;
// Frames in a row that may miss a text.
constexpr size_t kMaxMissedFrames = 1;

double Distance(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

Box BoxOf(const Quad& quad) {
  Box box{quad[0].x, quad[0].y, quad[0].x, quad[0].y};
  for (const Point& corner : quad) {
    box.left = std::min(box.left, corner.x);
    box.top = std::min(box.top, corner.y);
    box.right = std::max(box.right, corner.x);
    box.bottom = std::max(box.bottom, corner.y);
  }
  return box;
}

Point CenterOf(const Box& box) { return {(box.left + box.right) / 2, (box.top + box.bottom) / 2}; }

// Height of the letters' line.
double HeightOf(const Quad& quad) { return (Distance(quad[0], quad[3]) + Distance(quad[1], quad[2])) / 2; }

std::u32string DigitsOf(const std::u32string& text) {
  std::u32string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char32_t c) { return c >= U'0' && c <= U'9'; });
  return digits;
}

// A reading as the joiner sees it.
struct Seen {
  std::u32string text;
  float score = 0;
  Box box;
  Point center;
  double height_px = 0;
  bool at_edge = false;
};

Seen See(const Reading& reading, const FrameText& frame) {
  Seen seen;
  seen.text = Comparable(reading.text);
  seen.score = reading.score;
  seen.box = BoxOf(reading.quad);
  seen.center = CenterOf(seen.box);
  seen.height_px = HeightOf(reading.quad);
  const auto width = static_cast<float>(frame.width_px), height = static_cast<float>(frame.height_px);
  seen.at_edge = seen.box.left <= 0.01F * width || seen.box.right >= 0.99F * width - 1 ||
                 seen.box.top <= 0.005F * height || seen.box.bottom >= 0.995F * height - 1;
  return seen;
}

class Track {
 public:
  Track(TextEvent::Observation first, Seen seen, absl::Duration offset)
      : observations_{first}, last_(std::move(seen)), first_center_(last_.center), offset_(offset), best_(last_) {}

  // How well the reading continues this text; nothing if it does not.
  std::optional<double> Match(const Seen& seen, absl::Duration offset, double diagonal_px) const {
    const double ratio = seen.height_px / std::max(1e-3, last_.height_px);
    if (ratio < kMinHeightRatio || ratio > 1 / kMinHeightRatio) return std::nullopt;
    const double seconds = absl::ToDoubleSeconds(offset - offset_);
    const Point step{seen.center.x - last_.center.x, seen.center.y - last_.center.y};
    const Point expected{static_cast<float>(velocity_.x * seconds), static_cast<float>(velocity_.y * seconds)};
    const double miss = Distance(step, expected);
    const Box predicted{last_.box.left + expected.x, last_.box.top + expected.y, last_.box.right + expected.x,
                        last_.box.bottom + expected.y};
    const float iou = inference::IoU(predicted, seen.box);
    const double alike = std::max(Similarity(last_.text, seen.text), Similarity(best_.text, seen.text));
    if (OtherNumber(seen)) return std::nullopt;
    if (iou >= kSamePlaceIoU || miss <= kSamePlaceHeights * seen.height_px) {
      if (alike >= kAlike || (moving_ && IsCutAlike(seen))) return 2 + alike + iou;
      return std::nullopt;
    }
    // Only what has not been seen to stand may move.
    if (observations_.size() > 1 && !moving_) return std::nullopt;
    const bool cut = IsCutAlike(seen);
    if (alike < kAlikeMoved && !cut) return std::nullopt;
    const double length = std::hypot(step.x, step.y);
    if (length > kMaxStepDiagonals * diagonal_px * std::max(1.0, seconds)) return std::nullopt;
    if (cut && std::min(std::abs(step.x), std::abs(step.y)) > seen.height_px) return std::nullopt;
    if (moving_) {
      // The centre of a text that the edge cuts moves half as far as its letters.
      const double tolerance = cut ? 1 : kStepTolerance;
      const double reach = std::hypot(expected.x, expected.y);
      if (miss > tolerance * reach + kStepToleranceHeights * seen.height_px) return std::nullopt;
    }
    return alike - length / std::max(1.0, diagonal_px);
  }

  void Add(TextEvent::Observation observation, Seen seen, absl::Duration offset) {
    const double seconds = absl::ToDoubleSeconds(offset - offset_);
    const Point step{seen.center.x - last_.center.x, seen.center.y - last_.center.y};
    if (std::hypot(step.x, step.y) > kSamePlaceHeights * seen.height_px) moving_ = true;
    if (moving_ && seconds > 0) {
      velocity_ = {static_cast<float>(step.x / seconds), static_cast<float>(step.y / seconds)};
    }
    farthest_px_ = std::max(farthest_px_, Distance(seen.center, first_center_));
    observations_.push_back(observation);
    offset_ = offset;
    if (seen.score > best_.score) best_ = seen;
    last_ = std::move(seen);
  }

  const std::vector<TextEvent::Observation>& observations() const { return observations_; }
  size_t last_frame() const { return observations_.back().frame; }
  bool Moved(double diagonal_px) const {
    return farthest_px_ > kMovedHeights * last_.height_px && farthest_px_ > kMovedDiagonals * diagonal_px;
  }

 private:
  bool OtherNumber(const Seen& seen) const {
    return !seen.at_edge && !last_.at_edge && seen.score >= kSureScore && last_.score >= kSureScore &&
           DigitsOf(seen.text) != DigitsOf(last_.text);
  }
  // The edge cuts one of the readings, and they share most of the shorter one.
  bool IsCutAlike(const Seen& seen) const {
    if (!seen.at_edge && !last_.at_edge) return false;
    const size_t run = CommonRun(last_.text, seen.text);
    return run >= kMinCutRun &&
           static_cast<double>(run) >= kAlikeCut * static_cast<double>(std::min(last_.text.size(), seen.text.size()));
  }

  std::vector<TextEvent::Observation> observations_;
  Seen last_;
  Point first_center_;
  absl::Duration offset_;
  // The surest reading so far.
  Seen best_;
  // Pixels a second.
  Point velocity_;
  bool moving_ = false;
  double farthest_px_ = 0;
};

const Reading& At(const std::vector<TimedText>& frames, const TextEvent::Observation& observation) {
  return frames[observation.frame].frame.text.readings[observation.reading];
}

// The reading that most frames agree on, each voting with its score, and of those the surest. Readings that the edge of
// the picture cuts have no vote where there are others; where there are none, the longest one wins.
TextEvent::Observation BestOf(const std::vector<TimedText>& frames,
                              const std::vector<TextEvent::Observation>& observations) {
  std::vector<TextEvent::Observation> whole;
  for (const auto& observation : observations) {
    if (!See(At(frames, observation), frames[observation.frame].frame).at_edge) whole.push_back(observation);
  }
  if (whole.empty()) {
    return *std::max_element(observations.begin(), observations.end(), [&](const auto& a, const auto& b) {
      const auto key = [&](const auto& o) {
        return std::pair(CodePoints(At(frames, o).text).size(), At(frames, o).score);
      };
      return key(a) < key(b);
    });
  }
  std::map<std::string, float> votes;
  for (const auto& observation : whole) votes[At(frames, observation).text] += At(frames, observation).score;
  return *std::max_element(whole.begin(), whole.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const auto& o) { return std::pair(votes[At(frames, o).text], At(frames, o).score); };
    return key(a) < key(b);
  });
}

bool IsLetterOrDigit(char32_t c) {
  return c > 0xBF || (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

bool IsTrusted(const Reading& best, size_t times, const JoinOptions& options) {
  const std::u32string text = CodePoints(best.text);
  const auto letters = std::count_if(text.begin(), text.end(), IsLetterOrDigit);
  if (letters < 1) return false;
  float least = options.min_score;
  if (times < 2) least = std::max(least, options.min_score_once);
  if (letters < 2) least = std::max(least, options.min_score_short);
  return best.score >= least;
}

}  // namespace

std::vector<TextEvent> JoinTexts(const std::vector<TimedText>& frames, absl::Duration end, const JoinOptions& options) {
  std::vector<Track> tracks;
  for (size_t f = 0; f < frames.size(); ++f) {
    const FrameText& frame = frames[f].frame;
    const double diagonal_px = std::hypot(frame.width_px, frame.height_px);
    std::vector<Seen> seen;
    for (const Reading& reading : frame.text.readings) seen.push_back(See(reading, frame));
    std::vector<std::tuple<double, size_t, size_t>> pairs;
    for (size_t t = 0; t < tracks.size(); ++t) {
      if (f - tracks[t].last_frame() > kMaxMissedFrames + 1) continue;
      for (size_t r = 0; r < seen.size(); ++r) {
        const std::optional<double> match = tracks[t].Match(seen[r], frames[f].offset, diagonal_px);
        if (match) pairs.emplace_back(-*match, t, r);
      }
    }
    std::sort(pairs.begin(), pairs.end());
    std::vector<bool> track_taken(tracks.size()), reading_taken(seen.size());
    for (const auto& [cost, t, r] : pairs) {
      if (track_taken[t] || reading_taken[r]) continue;
      track_taken[t] = reading_taken[r] = true;
      tracks[t].Add({f, r}, seen[r], frames[f].offset);
    }
    for (size_t r = 0; r < seen.size(); ++r) {
      if (!reading_taken[r]) tracks.emplace_back(TextEvent::Observation{f, r}, seen[r], frames[f].offset);
    }
  }

  std::vector<TextEvent> events;
  for (const Track& track : tracks) {
    TextEvent event;
    event.observations = track.observations();
    event.best = BestOf(frames, event.observations);
    const Reading& best = At(frames, event.best);
    if (!IsTrusted(best, event.observations.size(), options)) continue;
    event.start = frames[event.observations.front().frame].offset;
    const size_t after = track.last_frame() + 1;
    event.end = after < frames.size() ? frames[after].offset : std::max(end, frames.back().offset);
    const FrameText& frame = frames[event.best.frame].frame;
    event.position = track.Moved(std::hypot(frame.width_px, frame.height_px))
                         ? Position::kMoving
                         : StandingPosition(best.quad, frame.width_px, frame.height_px);
    events.push_back(std::move(event));
  }
  const auto top = [&](const TextEvent& event) { return BoxOf(At(frames, event.best).quad).top; };
  std::stable_sort(events.begin(), events.end(), [&](const TextEvent& a, const TextEvent& b) {
    return std::pair(a.start, top(a)) < std::pair(b.start, top(b));
  });
  return events;
}

Position StandingPosition(const Quad& quad, int width_px, int height_px) {
  const auto width = static_cast<float>(width_px), height = static_cast<float>(height_px);
  const Box box = BoxOf(quad);
  const Point center{(box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height};
  const bool at_side = box.right <= 0.45F * width || box.left >= 0.55F * width;
  const bool at_end = box.bottom <= 0.22F * height || box.top >= 0.78F * height;
  if (at_side && at_end) return Position::kCorner;
  if (center.y >= 2 / 3.0F) return std::abs(center.x - 0.5F) <= 0.2F ? Position::kCaption : Position::kOther;
  return HeightOf(quad) >= 0.06 * std::sqrt(width * height) ? Position::kTitle : Position::kOther;
}

}  // namespace reelsight::text_overlay
