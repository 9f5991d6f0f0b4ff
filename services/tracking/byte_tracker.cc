// SPDX-License-Identifier: Apache-2.0
#include "services/tracking/byte_tracker.h"

#include <algorithm>
#include <map>
#include <utility>

#include "services/tracking/assignment.h"
#include "services/tracking/kalman_box.h"

namespace reelsight::tracking {
namespace {

using inference::Box;
using inference::Detection;

constexpr double kImpossible = 1e9;

Box Grown(const Box& box, double share) {
  const auto x = static_cast<float>(box.width() * share), y = static_cast<float>(box.height() * share);
  return {box.left - x, box.top - y, box.right + x, box.bottom + y};
}

class Tracker {
 public:
  explicit Tracker(const TrackerOptions& options) : options_(options) {}

  void EndAll() {
    for (Live& live : live_) Finish(std::move(live));
    live_.clear();
  }

  void Add(int frame_index, const TrackedFrame& frame) {
    EndOld(frame.offset);
    for (Live& live : live_) {
      const bool seen = live.seen_at == live.predicted_at;
      live.filter.Predict(absl::ToDoubleSeconds(frame.offset - live.predicted_at), seen);
      live.predicted_at = frame.offset;
    }
    std::vector<int> strong, weak;
    for (size_t i = 0; i < frame.detections.size(); ++i) {
      const float score = frame.detections[i].score;
      if (score >= options_.high_score) {
        strong.push_back(static_cast<int>(i));
      } else if (score >= options_.low_score) {
        weak.push_back(static_cast<int>(i));
      }
    }
    std::vector<bool> matched(live_.size(), false);
    Match(frame_index, frame, options_.min_iou, 0, &strong, &matched);
    Match(frame_index, frame, options_.min_iou_weak, 0, &weak, &matched);
    if (options_.grow > 0) Match(frame_index, frame, options_.min_iou_grown, options_.grow, &strong, &matched);
    for (const int index : strong) {
      const Detection& detection = frame.detections[static_cast<size_t>(index)];
      live_.push_back({.filter = KalmanBox(detection.box), .predicted_at = frame.offset});
      Observe(live_.back(), frame_index, frame, index, false);
    }
  }

  std::vector<Track> Take() {
    EndAll();
    std::stable_sort(done_.begin(), done_.end(), [](const Track& a, const Track& b) {
      const Track::Observation &first = a.observations.front(), &second = b.observations.front();
      return std::pair(first.frame, first.detection) < std::pair(second.frame, second.detection);
    });
    return std::move(done_);
  }

 private:
  struct Live {
    KalmanBox filter;
    absl::Duration predicted_at;
    absl::Duration seen_at = {};
    Track track = {};
    // Sum of scores of each label.
    std::map<int, float> votes = {};
  };

  void EndOld(absl::Duration now) {
    for (auto it = live_.begin(); it != live_.end();) {
      if (now - it->seen_at > options_.max_gap) {
        Finish(std::move(*it));
        it = live_.erase(it);
      } else {
        ++it;
      }
    }
  }

  void Match(int frame_index, const TrackedFrame& frame, double min_iou, double grow, std::vector<int>* detections,
             std::vector<bool>* matched) {
    std::vector<size_t> tracks;
    for (size_t i = 0; i < matched->size(); ++i) {
      if (!(*matched)[i]) tracks.push_back(i);
    }
    if (tracks.empty() || detections->empty()) return;
    std::vector<std::vector<double>> cost(tracks.size(), std::vector<double>(detections->size(), kImpossible));
    for (size_t row = 0; row < tracks.size(); ++row) {
      const Live& live = live_[tracks[row]];
      const Box predicted = Grown(live.filter.box(), grow);
      for (size_t column = 0; column < detections->size(); ++column) {
        const Detection& detection = frame.detections[static_cast<size_t>((*detections)[column])];
        if (options_.per_label && detection.label != live.track.label) continue;
        cost[row][column] = 1 - static_cast<double>(inference::IoU(predicted, Grown(detection.box, grow)));
      }
    }
    const std::vector<int> assigned = Assign(cost, 1 - min_iou);
    std::vector<bool> taken(detections->size(), false);
    for (size_t row = 0; row < tracks.size(); ++row) {
      if (assigned[row] < 0) continue;
      const auto column = static_cast<size_t>(assigned[row]);
      taken[column] = true;
      (*matched)[tracks[row]] = true;
      Observe(live_[tracks[row]], frame_index, frame, (*detections)[column], true);
    }
    size_t kept = 0;
    for (size_t column = 0; column < taken.size(); ++column) {
      if (!taken[column]) (*detections)[kept++] = (*detections)[column];
    }
    detections->resize(kept);
  }

  void Observe(Live& live, int frame_index, const TrackedFrame& frame, int index, bool update) {
    const Detection& detection = frame.detections[static_cast<size_t>(index)];
    if (update) live.filter.Update(detection.box);
    live.seen_at = frame.offset;
    live.votes[detection.label] += detection.score;
    live.track.label = std::max_element(live.votes.begin(), live.votes.end(), [](const auto& a, const auto& b) {
                         return a.second < b.second;
                       })->first;
    live.track.score = std::max(live.track.score, detection.score);
    live.track.observations.push_back({frame_index, index});
  }

  void Finish(Live live) { done_.push_back(std::move(live.track)); }

  const TrackerOptions options_;
  std::vector<Live> live_;
  std::vector<Track> done_;
};

}  // namespace

std::vector<Track> TrackBoxes(const std::vector<TrackedFrame>& frames, const std::vector<absl::Duration>& cuts,
                              const TrackerOptions& options) {
  Tracker tracker(options);
  size_t next_cut = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    bool cut = false;
    while (next_cut < cuts.size() && cuts[next_cut] <= frames[i].offset) {
      cut = true;
      ++next_cut;
    }
    if (cut) tracker.EndAll();
    tracker.Add(static_cast<int>(i), frames[i]);
  }
  return tracker.Take();
}

}  // namespace reelsight::tracking
