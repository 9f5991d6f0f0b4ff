// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/timeline_builder.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "shared/analysis/proto_time.h"

namespace reelsight::orchestrator {
namespace {

using analysis::FromProto;
using analysis::ToProto;
using analyzer::v1::TimelineEntry;

// Starts of the spans of `kind` that the first analyzer with any reports.
std::set<absl::Duration> Starts(const std::vector<AnalyzerEntries>& analyzers, TimelineEntry::Kind kind) {
  for (const AnalyzerEntries& analyzer : analyzers) {
    std::set<absl::Duration> starts;
    for (const TimelineEntry& entry : analyzer.entries) {
      if (entry.kind() == kind) starts.insert(FromProto(entry.start_offset()));
    }
    if (!starts.empty()) return starts;
  }
  return {};
}

// Tiles `segment`, beginning anew at each of `starts` that lies inside it.
std::vector<TimeSpan> Tile(const TimeSpan& segment, const std::set<absl::Duration>& starts) {
  std::vector<TimeSpan> spans;
  absl::Duration start = segment.start;
  for (auto it = starts.upper_bound(segment.start); it != starts.end() && *it < segment.end; ++it) {
    spans.push_back({start, *it});
    start = *it;
  }
  spans.push_back({start, segment.end});
  return spans;
}

void AddEntries(const std::vector<AnalyzerEntries>& analyzers, v1::Timeline::Shot& shot, const TimeSpan& span) {
  std::vector<v1::Timeline::Entry> entries;
  for (const AnalyzerEntries& analyzer : analyzers) {
    for (const TimelineEntry& seen : analyzer.entries) {
      if (seen.kind() != TimelineEntry::KIND_UNSPECIFIED) continue;
      const absl::Duration start = FromProto(seen.start_offset());
      const absl::Duration end = std::max(start, FromProto(seen.end_offset()));
      const bool momentary = start == end;
      const bool inside = momentary ? span.start <= start && start < span.end : start < span.end && span.start < end;
      if (!inside) continue;
      v1::Timeline::Entry entry;
      entry.set_analyzer(analyzer.analyzer);
      entry.set_label(seen.label());
      *entry.mutable_start_offset() = ToProto(std::max(start, span.start));
      *entry.mutable_end_offset() = ToProto(std::min(end, span.end));
      entry.set_score(seen.score());
      entries.push_back(std::move(entry));
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    const absl::Duration start_a = FromProto(a.start_offset()), start_b = FromProto(b.start_offset());
    return std::tie(start_a, a.analyzer()) < std::tie(start_b, b.analyzer());
  });
  for (v1::Timeline::Entry& entry : entries) *shot.add_entries() = std::move(entry);
}

}  // namespace

v1::Timeline BuildTimeline(const std::vector<AnalyzerEntries>& analyzers, const std::vector<TimeSpan>& segments) {
  const std::set<absl::Duration> shot_starts = Starts(analyzers, TimelineEntry::KIND_SHOT);
  const std::set<absl::Duration> scene_starts = Starts(analyzers, TimelineEntry::KIND_SCENE);
  v1::Timeline timeline;
  for (const TimeSpan& segment : segments) {
    v1::Timeline::Scene* scene = nullptr;
    absl::Duration scene_asked = segment.start;
    for (const TimeSpan& span : Tile(segment, shot_starts)) {
      // The newest scene start at or before this shot's start.
      auto start = scene_starts.upper_bound(span.start);
      const absl::Duration asked =
          start == scene_starts.begin() ? segment.start : std::max(segment.start, *std::prev(start));
      if (scene == nullptr || asked != scene_asked) {
        scene = timeline.add_scenes();
        *scene->mutable_start_offset() = ToProto(span.start);
        scene_asked = asked;
      }
      *scene->mutable_end_offset() = ToProto(span.end);
      v1::Timeline::Shot& shot = *scene->add_shots();
      *shot.mutable_start_offset() = ToProto(span.start);
      *shot.mutable_end_offset() = ToProto(span.end);
      AddEntries(analyzers, shot, span);
    }
  }
  return timeline;
}

}  // namespace reelsight::orchestrator
