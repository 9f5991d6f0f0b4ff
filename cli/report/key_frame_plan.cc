// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "cli/report/key_frames.h"
#include "shared/analysis/proto_time.h"

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

// The time in [start, end) at which most analyzers saw something, the nearest to `place` of several; `place` if none is
// there.
absl::Duration Snapped(absl::Duration place, absl::Duration start, absl::Duration end,
                       const std::map<absl::Duration, int>& sampled) {
  absl::Duration best = place;
  int most = 0;
  for (auto it = sampled.lower_bound(start); it != sampled.end() && it->first < end; ++it) {
    const bool nearer = absl::AbsDuration(it->first - place) < absl::AbsDuration(best - place);
    if (it->second > most || (it->second == most && nearer)) {
      most = it->second;
      best = it->first;
    }
  }
  return best;
}

// Adds the `offset` of every message of a list below `message`.
void CollectOffsets(const google::protobuf::Message& message, std::set<absl::Duration>* offsets) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      const google::protobuf::Message& child = reflection.GetMessage(message, field);
      const auto* const duration = dynamic_cast<const google::protobuf::Duration*>(&child);
      if (duration == nullptr) {
        CollectOffsets(child, offsets);
      } else if (field->name() == "offset") {
        offsets->insert(analysis::FromProto(*duration));
      }
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      CollectOffsets(reflection.GetRepeatedMessage(message, field, i), offsets);
    }
  }
}

}  // namespace

std::map<absl::Duration, int> SampledTimes(const v1::AnalyzeResponse& response) {
  std::map<absl::Duration, int> times;
  for (const v1::AnalyzerResult& result : response.results()) {
    std::set<absl::Duration> offsets;
    CollectOffsets(result, &offsets);
    for (const absl::Duration offset : offsets) ++times[offset];
  }
  return times;
}

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
      const absl::Duration start = shot.start + shot.step() * part;
      places.push_back({.offset = Snapped(start + std::max(absl::ZeroDuration(), middle), start, start + shot.step(),
                                          options.sampled),
                        .shot_index = index,
                        .shot_start = shot.start,
                        .shot_end = shot.end});
    }
  }
  return places;
}

}  // namespace reelsight::report
