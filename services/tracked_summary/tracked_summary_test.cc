// SPDX-License-Identifier: Apache-2.0
#include "services/tracked_summary/tracked_summary.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/tracked_summary/sightings_test_support.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::tracked_summary {
namespace {

using ::testing::ElementsAre;

constexpr inference::Box kBox = {0.2F, 0.2F, 0.6F, 0.8F};

absl::Duration S(double seconds) { return absl::Seconds(seconds); }

TrackedSummary Add(const Sightings& sightings, const analyzer::v1::SummarizeRequest& request) {
  TrackedSummary summary(request);
  for (size_t i = 0; i < sightings.offsets.size(); ++i) {
    std::vector<inference::Detection> detections;
    if (sightings.seen[i]) detections.push_back({.box = kBox, .score = 0.9F});
    summary.AddFrame(sightings.offsets[i], std::move(detections));
  }
  return summary;
}

analyzer::v1::SummarizeRequest Request(const Sightings& sightings, bool with_cuts) {
  return sightings.Request([](bool /*seen*/) { return ""; }, with_cuts);
}

// Seen in every sample of `segments`.
Sightings Always(const std::vector<Sightings::Span>& segments, double fps) {
  Sightings sightings{.fps = fps, .segments = segments, .shots = segments};
  for (const Sightings::Span& segment : segments) {
    const auto count = std::lround(absl::ToDoubleSeconds(segment.end - segment.start) * fps);
    for (int i = 0; i < count; ++i) {
      sightings.offsets.push_back(segment.start + i * S(1 / fps));
      sightings.seen.push_back(true);
    }
  }
  return sightings;
}

std::vector<size_t> Lengths(const Sightings& sightings, bool with_cuts, const FollowOptions& options = {}) {
  std::vector<size_t> lengths;
  for (const tracking::Track& track : Add(sightings, Request(sightings, with_cuts)).Follow(options)) {
    lengths.push_back(track.observations.size());
  }
  return lengths;
}

TEST(TrackedSummaryTest, AGapBetweenSegmentsEndsTracksWhetherCutsAreKnownOrNot) {
  // Shorter than what a thing may be missed for.
  const Sightings sightings = Always({{S(0), S(1)}, {S(1.4), S(2.4)}}, 3);
  EXPECT_THAT(Lengths(sightings, true), ElementsAre(3, 3));
  EXPECT_THAT(Lengths(sightings, false), ElementsAre(3, 3));
}

TEST(TrackedSummaryTest, ACutEndsTracks) {
  Sightings sightings = Always({{S(0), S(2)}}, 5);
  sightings.shots = {{S(0), S(0.7)}, {S(0.7), S(2)}};
  EXPECT_THAT(Lengths(sightings, true), ElementsAre(4, 6));
  EXPECT_THAT(Lengths(sightings, false), ElementsAre(10));
}

TEST(TrackedSummaryTest, AThingMayBeMissedTwiceAtAnyRate) {
  for (const double fps : {0.5, 1.0, 3.0}) {
    Sightings sightings = Always({{S(0), S(10 / fps)}}, fps);
    sightings.seen[4] = sightings.seen[5] = false;
    EXPECT_THAT(Lengths(sightings, true), ElementsAre(8)) << fps;
    sightings.seen[6] = false;
    EXPECT_THAT(Lengths(sightings, true), ElementsAre(4, 3)) << fps;
  }
  // And for half a second, or as long as one likes.
  Sightings often = Always({{S(0), S(2)}}, 20);
  for (size_t i = 10; i < 19; ++i) often.seen[i] = false;
  EXPECT_THAT(Lengths(often, true), ElementsAre(31));
  often.seen[19] = often.seen[20] = false;
  EXPECT_THAT(Lengths(often, true), ElementsAre(10, 19));
  EXPECT_THAT(Lengths(often, true, {.min_gap = S(1)}), ElementsAre(29));
}

TEST(TrackedSummaryTest, AThingIsGoneWhenTheNextSampleWouldShowItOrWithItsShot) {
  Sightings sightings = Always({{S(0), S(2)}}, 4);
  sightings.shots = {{S(0), S(0.6)}, {S(0.6), S(2)}};
  const TrackedSummary summary = Add(sightings, Request(sightings, true));
  EXPECT_EQ(summary.GoneAt(S(0.25)), S(0.5));
  EXPECT_EQ(summary.GoneAt(S(0.5)), S(0.6));
  EXPECT_EQ(summary.GoneAt(S(1.75)), S(2));
}

TEST(TrackedSummaryTest, EntriesReachIntoNoShotWithoutASighting) {
  ExpectEntriesEndInTheirShots([](const Sightings& sightings, bool with_cuts) {
    const TrackedSummary summary = Add(sightings, Request(sightings, with_cuts));
    analyzer::v1::SummarizeResponse response;
    for (const tracking::Track& track : summary.Follow({})) {
      summary.AddEntry("thing", track.score, analysis::ToProto(summary.OffsetOf(track.observations.front())),
                       analysis::ToProto(summary.OffsetOf(track.observations.back())), &response);
    }
    return absl::StatusOr<analyzer::v1::SummarizeResponse>(response);
  });
}

}  // namespace
}  // namespace reelsight::tracked_summary
