// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/shot_list.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::cut_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

absl::Duration S(double seconds) { return absl::Seconds(seconds); }
TimedTransition Cut(double at, float score = 1) { return {TransitionKind::kHardCut, S(at), S(at), score}; }

TEST(MakeShotsTest, BoundariesByKind) {
  const Span segment{S(0), S(20)};
  EXPECT_THAT(MakeShots(segment, {}), ElementsAre(segment));
  const TimedTransition transitions[] = {
      {TransitionKind::kFadeIn, S(0), S(1), 1},   Cut(4),
      {TransitionKind::kDissolve, S(6), S(8), 1}, {TransitionKind::kFadeOut, S(10), S(11), 1},
      {TransitionKind::kFadeIn, S(13), S(14), 1}, {TransitionKind::kFadeOut, S(19), S(20), 1}};
  EXPECT_THAT(MakeShots(segment, transitions),
              ElementsAre(Span{S(0), S(4)}, Span{S(4), S(7)}, Span{S(7), S(12)}, Span{S(12), S(20)}));
}

TEST(MakeShotsTest, ABoundaryAtTheEdgeMakesNoEmptyShot) {
  const TimedTransition transitions[] = {Cut(5), Cut(10)};
  EXPECT_THAT(MakeShots({S(5), S(10)}, transitions), ElementsAre(Span{S(5), S(10)}));
}

TEST(DropShortShotsTest, TheWeakerOfTwoCloseCutsGoes) {
  EXPECT_THAT(
      DropShortShots({Cut(1, 0.9F), Cut(1.1, 0.6F), Cut(5, 0.7F)}, S(0.5)),
      ElementsAre(::testing::Field(&TimedTransition::start, S(1)), ::testing::Field(&TimedTransition::start, S(5))));
  // Of equals, the later.
  const auto kept = DropShortShots({Cut(1), Cut(1.1)}, S(0.5));
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].start, S(1));
  EXPECT_THAT(DropShortShots({Cut(1), Cut(1.1)}, S(0.1)), SizeIs(2));
}

TEST(DropShortShotsTest, AFadeOutAndItsFadeInAreOne) {
  EXPECT_THAT(
      DropShortShots({{TransitionKind::kFadeOut, S(1), S(1.2), 1}, {TransitionKind::kFadeIn, S(1.3), S(1.5), 1}}, S(2)),
      SizeIs(2));
}

TEST(MeasurePaceTest, ByHand) {
  // 2, 4, 6 and 18 s: 30 s, 3 cuts.
  const Span shots[] = {{S(0), S(2)}, {S(2), S(6)}, {S(6), S(12)}, {S(12), S(30)}};
  const Pace pace = MeasurePace(shots, 1);
  EXPECT_DOUBLE_EQ(pace.cuts_per_minute, 6);
  EXPECT_EQ(pace.mean_shot, S(7.5));
  EXPECT_EQ(pace.median_shot, S(5));
  // In two segments one of the three boundaries is none.
  EXPECT_DOUBLE_EQ(MeasurePace(shots, 2).cuts_per_minute, 4);
}

}  // namespace
}  // namespace reelsight::cut_analysis
