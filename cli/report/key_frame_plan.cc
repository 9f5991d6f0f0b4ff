// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/report/key_frames.h"
#include "shared/analysis/analyzer.h"

namespace reelsight::report {
namespace {

constexpr absl::Duration kClosest = absl::Milliseconds(500);

struct Shot {
  absl::Duration start;
  absl::Duration end;
  // Pictures to take in it.
  int count = 1;

  absl::Duration step() const { return (end - start) / count; }
};

}  // namespace

std::vector<KeyFramePlace> ChooseKeyFrames(const v1::Timeline& timeline, const KeyFrameOptions& options) {
  std::vector<Shot> shots;
  for (const v1::Timeline::Scene& scene : timeline.scenes()) {
    for (const v1::Timeline::Shot& shot : scene.shots()) {
      shots.push_back({analysis::FromProto(shot.start_offset()), analysis::FromProto(shot.end_offset())});
    }
  }
  const int shot_count = static_cast<int>(shots.size());
  for (int total = shot_count; total < std::min(options.min_count, options.max_count) && shot_count > 0; ++total) {
    auto longest =
        std::max_element(shots.begin(), shots.end(), [](const Shot& a, const Shot& b) { return a.step() < b.step(); });
    if ((longest->end - longest->start) / (longest->count + 1) < kClosest) break;
    ++longest->count;
  }
  std::vector<KeyFramePlace> places;
  const int chosen = std::min(shot_count, options.max_count);
  for (int i = 0; i < chosen; ++i) {
    const int index = static_cast<int>(static_cast<int64_t>(i) * shot_count / chosen);
    const Shot& shot = shots[static_cast<size_t>(index)];
    for (int part = 0; part < shot.count; ++part) {
      const absl::Duration middle = (shot.step() - options.frame_interval) / 2;
      places.push_back({.offset = shot.start + shot.step() * part + std::max(absl::ZeroDuration(), middle),
                        .shot_index = index,
                        .shot_start = shot.start,
                        .shot_end = shot.end});
    }
  }
  return places;
}

}  // namespace reelsight::report
