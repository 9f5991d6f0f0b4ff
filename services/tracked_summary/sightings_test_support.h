// SPDX-License-Identifier: Apache-2.0
//
// Made-up videos in which one thing comes and goes, and what must hold of every timeline entry about it: for the tests
// of all analyzers that follow things.
#pragma once

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::tracked_summary {

// Sampled frames, in some of which the thing is seen, over analysed segments and their shots.
struct Sightings {
  struct Span {
    absl::Duration start;
    absl::Duration end;
  };
  double fps = 3;
  std::vector<Span> segments;
  // Tile the segments.
  std::vector<Span> shots;
  std::vector<absl::Duration> offsets;
  std::vector<bool> seen;

  // What Summarize gets; `payload(seen)` is that of a frame. `with_cuts`: cut_analysis ran too.
  analyzer::v1::SummarizeRequest Request(const std::function<std::string(bool seen)>& payload, bool with_cuts) const {
    analyzer::v1::SummarizeRequest request;
    request.set_sample_fps(fps);
    request.mutable_video()->set_width_px(90);
    request.mutable_video()->set_height_px(160);
    request.mutable_video()->set_frame_rate(30);
    for (size_t i = 0; i < offsets.size(); ++i) {
      analyzer::v1::FrameResult& frame = *request.add_results();
      frame.set_index(static_cast<int64_t>(i));
      *frame.mutable_offset() = analysis::ToProto(offsets[i]);
      frame.set_payload(payload(seen[i]));
    }
    for (const Span& span : segments) {
      *request.add_segments()->mutable_start_offset() = analysis::ToProto(span.start);
      *request.mutable_segments()->rbegin()->mutable_end_offset() = analysis::ToProto(span.end);
    }
    if (!with_cuts) return request;
    v1::CutAnalysisResult cuts;
    for (const Span& span : shots) {
      *cuts.add_shots()->mutable_start_offset() = analysis::ToProto(span.start);
      *cuts.mutable_shots()->rbegin()->mutable_end_offset() = analysis::ToProto(span.end);
    }
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("cut_analysis");
    dependency.mutable_summary()->mutable_typed()->PackFrom(cuts);
    return request;
  }
};

// Segments with gaps of all lengths, cuts anywhere, frames that are not spaced evenly. Times are whole milliseconds.
inline Sightings RandomSightings(uint32_t seed) {
  std::mt19937 random(seed);
  const auto milliseconds = [&](int least, int most) {
    return absl::Milliseconds(std::uniform_int_distribution(least, most)(random));
  };
  Sightings sightings;
  sightings.fps = std::uniform_int_distribution(1, 8)(random);
  absl::Duration at = milliseconds(0, 500);
  const int segments = std::uniform_int_distribution(1, 4)(random);
  bool seen = false;
  for (int i = 0; i < segments; ++i) {
    const Sightings::Span segment{at, at + milliseconds(100, 4000)};
    sightings.segments.push_back(segment);
    for (absl::Duration start = segment.start; start < segment.end;) {
      const absl::Duration end = std::min(segment.end, start + milliseconds(50, 2000));
      sightings.shots.push_back({start, end});
      start = end;
    }
    const int interval_ms = static_cast<int>(1000 / sightings.fps);
    for (absl::Duration offset = segment.start + milliseconds(0, interval_ms); offset < segment.end;
         offset += milliseconds(interval_ms - 20, interval_ms + 20)) {
      if (random() % 4 == 0) seen = !seen;
      sightings.offsets.push_back(offset);
      sightings.seen.push_back(seen);
    }
    at = segment.end + milliseconds(0, 1500);
  }
  return sightings;
}

// Every entry begins with a sighting and lies within one stretch of `spans`, so that it reaches into none without one.
inline void ExpectEntriesWithinSightings(const Sightings& sightings, const std::vector<Sightings::Span>& spans,
                                         const analyzer::v1::SummarizeResponse& response) {
  for (const analyzer::v1::TimelineEntry& entry : response.timeline()) {
    const absl::Duration start = analysis::FromProto(entry.start_offset()),
                         end = analysis::FromProto(entry.end_offset());
    SCOPED_TRACE(absl::StrCat(entry.label(), " ", absl::FormatDuration(start), " ", absl::FormatDuration(end)));
    const auto place = std::find(sightings.offsets.begin(), sightings.offsets.end(), start);
    ASSERT_NE(place, sightings.offsets.end());
    EXPECT_TRUE(sightings.seen[static_cast<size_t>(place - sightings.offsets.begin())]);
    EXPECT_LE(start, end);
    const auto span = std::find_if(spans.begin(), spans.end(),
                                   [&](const Sightings::Span& one) { return one.start <= start && start < one.end; });
    ASSERT_NE(span, spans.end());
    EXPECT_LE(end, span->end);
  }
  // Each sighting lies within an entry.
  for (size_t i = 0; i < sightings.offsets.size(); ++i) {
    const bool told = std::any_of(response.timeline().begin(), response.timeline().end(), [&](const auto& entry) {
      return analysis::FromProto(entry.start_offset()) <= sightings.offsets[i] &&
             sightings.offsets[i] <= analysis::FromProto(entry.end_offset());
    });
    EXPECT_TRUE(!sightings.seen[i] || told) << absl::FormatDuration(sightings.offsets[i]);
  }
}

// Runs `summarize` over many of them, with the cuts known and not.
inline void ExpectEntriesEndInTheirShots(
    const std::function<absl::StatusOr<analyzer::v1::SummarizeResponse>(const Sightings& sightings, bool with_cuts)>&
        summarize) {
  int entries = 0;
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    const Sightings sightings = RandomSightings(seed);
    for (const bool with_cuts : {true, false}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, with_cuts ? ", cuts" : ", no cuts"));
      const auto response = summarize(sightings, with_cuts);
      ASSERT_TRUE(response.ok()) << response.status();
      entries += response->timeline_size();
      ExpectEntriesWithinSightings(sightings, with_cuts ? sightings.shots : sightings.segments, *response);
      if (::testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(entries, 300);
}

}  // namespace reelsight::tracked_summary
