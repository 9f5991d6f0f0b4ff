// SPDX-License-Identifier: Apache-2.0
#include "services/tracked_summary/stretches.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/tracked_summary/sightings_test_support.h"

namespace reelsight::tracked_summary {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Duration S(double seconds) { return absl::Seconds(seconds); }

analyzer::v1::SummarizeRequest Request(const Sightings& sightings, bool with_cuts) {
  return sightings.Request([](bool /*seen*/) { return ""; }, with_cuts);
}

TEST(StretchesTest, SegmentsBoundThemWhereNoCutsAreKnown) {
  const Sightings sightings{.segments = {{S(0), S(2)}, {S(2.5), S(4)}}, .shots = {{S(0), S(1)}, {S(1), S(2)}}};
  const Stretches stretches(Request(sightings, false));
  EXPECT_THAT(stretches.boundaries(), ElementsAre(S(0), S(2), S(2.5), S(4)));
  EXPECT_EQ(stretches.EndOf(S(0)), S(2));
  EXPECT_EQ(stretches.EndOf(S(1.9)), S(2));
  EXPECT_EQ(stretches.EndOf(S(2.5)), S(4));
  EXPECT_EQ(stretches.EndOf(S(4)), absl::InfiniteDuration());
}

TEST(StretchesTest, CutsBoundThemToo) {
  const Sightings sightings{.segments = {{S(0), S(2)}, {S(2.5), S(4)}},
                            .shots = {{S(0), S(1)}, {S(1), S(2)}, {S(2.5), S(4)}}};
  const Stretches stretches(Request(sightings, true));
  EXPECT_THAT(stretches.boundaries(), ElementsAre(S(0), S(1), S(2), S(2.5), S(4)));
  EXPECT_EQ(stretches.EndOf(S(0.9)), S(1));
  EXPECT_EQ(stretches.EndOf(S(1)), S(2));
}

TEST(StretchesTest, NothingIsBoundByNothing) {
  const Stretches stretches({});
  EXPECT_THAT(stretches.boundaries(), IsEmpty());
  EXPECT_EQ(stretches.EndOf(S(3)), absl::InfiniteDuration());
}

}  // namespace
}  // namespace reelsight::tracked_summary
