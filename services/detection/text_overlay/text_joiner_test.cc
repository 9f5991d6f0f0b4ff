// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_joiner.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::text_overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kWidthPx = 540, kHeightPx = 960;

Quad Rectangle(float left, float top, float width, float height) {
  return {Point{left, top}, {left + width, top}, {left + width, top + height}, {left, top + height}};
}

Reading At(const std::string& text, float left, float top, float score = 0.97F, float height = 40) {
  return {Rectangle(left, top, static_cast<float>(text.size()) * height / 2, height), text, score};
}

// One frame a second.
std::vector<TimedText> Frames(std::vector<std::vector<Reading>> readings) {
  std::vector<TimedText> frames;
  for (auto& of_frame : readings) {
    const auto second = static_cast<int>(frames.size());
    frames.push_back({absl::Seconds(second), {kWidthPx, kHeightPx, {std::move(of_frame), 0}}});
  }
  return frames;
}

std::vector<TextEvent> Join(const std::vector<TimedText>& frames, const JoinOptions& options = {}) {
  return JoinTexts(frames, absl::Seconds(static_cast<int>(frames.size())), options);
}

std::string TextOf(const std::vector<TimedText>& frames, const TextEvent& event) {
  return frames[event.best.frame].frame.text.readings[event.best.reading].text;
}

std::vector<std::string> Texts(const std::vector<TimedText>& frames, const std::vector<TextEvent>& events) {
  std::vector<std::string> texts;
  for (const TextEvent& event : events) texts.push_back(TextOf(frames, event));
  return texts;
}

TEST(TextJoinerTest, NothingGivesNothing) {
  EXPECT_THAT(JoinTexts({}, absl::Seconds(5), {}), IsEmpty());
  EXPECT_THAT(Join(Frames({{}, {}, {}})), IsEmpty());
}

TEST(TextJoinerTest, AnEventLastsUntilTheFirstFrameWithoutIt) {
  const auto frames = Frames({{}, {At("hello there", 100, 700)}, {At("hello there", 100, 700)}, {}, {}});
  const auto events = Join(frames);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].start, absl::Seconds(1));
  EXPECT_EQ(events[0].end, absl::Seconds(3));
  EXPECT_THAT(events[0].observations, SizeIs(2));
}

TEST(TextJoinerTest, AnEventThatStaysEndsWithTheSegment) {
  const auto frames = Frames({{At("logo", 20, 20)}, {At("logo", 20, 20)}});
  const auto events = JoinTexts(frames, absl::Milliseconds(1700), {});
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].end, absl::Milliseconds(1700));
}

TEST(TextJoinerTest, NearDuplicatesAreOneTextAndTheVoteDecides) {
  const auto frames = Frames({{At("Morning routlne", 60, 200, 0.96F)},
                              {At("Morning routine", 61, 200, 0.95F)},
                              {At("morning routine", 60, 201, 0.80F)},
                              {At("Morning routine", 60, 200, 0.94F)}});
  const auto events = Join(frames);
  ASSERT_THAT(events, SizeIs(1));
  // Two votes for it, though another was surer; of the two the surer one.
  EXPECT_EQ(TextOf(frames, events[0]), "Morning routine");
  EXPECT_EQ(events[0].best.frame, 1U);
}

TEST(TextJoinerTest, AnotherTextAtThePlaceIsAnotherEvent) {
  const auto frames = Frames({{At("wake up", 100, 700)}, {At("brush teeth", 100, 700)}});
  EXPECT_THAT(Texts(frames, Join(frames)), ElementsAre("wake up", "brush teeth"));
}

TEST(TextJoinerTest, NumbersReadWellAreTakenAtTheirWord) {
  const auto sure = Frames({{At("step 1: mix", 100, 700)}, {At("step 2: mix", 100, 700)}});
  EXPECT_THAT(Texts(sure, Join(sure)), ElementsAre("step 1: mix", "step 2: mix"));
  const auto unsure = Frames({{At("step 1: mix", 100, 700, 0.97F)}, {At("step l: mix", 100, 700, 0.70F)}});
  EXPECT_THAT(Texts(unsure, Join(unsure)), ElementsAre("step 1: mix"));
}

TEST(TextJoinerTest, OneFrameMayMissAText) {
  const auto one = Frames({{At("sale today", 100, 700)}, {}, {At("sale today", 100, 700)}, {}});
  const auto events = Join(one);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].end, absl::Seconds(3));
  const auto two = Frames({{At("sale today", 100, 700)}, {}, {}, {At("sale today", 100, 700)}, {}});
  EXPECT_THAT(Join(two), SizeIs(2));
}

TEST(TextJoinerTest, TwoLinesAreTwoEventsFromTopToBottom) {
  const auto frames = Frames({{At("and drink", 100, 760), At("wake up", 100, 700)}});
  EXPECT_THAT(Texts(frames, Join(frames)), ElementsAre("wake up", "and drink"));
}

TEST(TextJoinerTest, EqualTextsAtTwoPlacesStayApart) {
  const auto frames =
      Frames({{At("again", 60, 100), At("again", 60, 600)}, {At("again", 60, 100), At("again", 60, 600)}});
  const auto events = Join(frames);
  ASSERT_THAT(events, SizeIs(2));
  for (const TextEvent& event : events) {
    EXPECT_THAT(event.observations, SizeIs(2));
    EXPECT_NE(event.position, Position::kMoving);
  }
}

TEST(TextJoinerTest, AMovingTextIsFollowed) {
  const auto frames = Frames({{At("LIVE NOW", 330, 500)}, {At("LIVE NOW", 200, 500)}, {At("LIVE NOW", 70, 500)}, {}});
  const auto events = Join(frames);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].position, Position::kMoving);
  EXPECT_EQ(events[0].end, absl::Seconds(3));
}

TEST(TextJoinerTest, ATextThatTheEdgeCutsIsFollowedAndReadWhole) {
  const auto frames = Frames({{At("BREAKI", 420, 500)},
                              {At("BREAKING NEWS", 240, 500)},
                              {At("BREAKING NEWS", 60, 500)},
                              {At("AKING NEWS", 0, 500)}});
  const auto events = Join(frames);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(TextOf(frames, events[0]), "BREAKING NEWS");
  EXPECT_EQ(events[0].position, Position::kMoving);
}

TEST(TextJoinerTest, AHandleThatJumpsIsTwoEvents) {
  const auto frames =
      Frames({{At("@handle", 20, 40)}, {At("@handle", 20, 40)}, {At("@handle", 380, 890)}, {At("@handle", 380, 890)}});
  const auto events = Join(frames);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].position, Position::kCorner);
  EXPECT_EQ(events[1].position, Position::kCorner);
}

TEST(TextJoinerTest, WeakOnceSeenAndOneLetterTextsNeedMore) {
  const std::vector<Reading> none;
  EXPECT_THAT(Join(Frames({{At("maybe text", 100, 700, 0.7F)}, none, none})), IsEmpty());
  EXPECT_THAT(Join(Frames({{At("maybe text", 100, 700, 0.7F)}, {At("maybe text", 100, 700, 0.7F)}})), SizeIs(1));
  EXPECT_THAT(Join(Frames({{At("maybe text", 100, 700, 0.5F)}, {At("maybe text", 100, 700, 0.5F)}})), IsEmpty());
  EXPECT_THAT(Join(Frames({{At("3", 250, 400, 0.90F)}})), IsEmpty());
  EXPECT_THAT(Join(Frames({{At("3", 250, 400, 0.99F)}})), SizeIs(1));
  EXPECT_THAT(Join(Frames({{At("...", 250, 400, 0.99F)}, {At("...", 250, 400, 0.99F)}})), IsEmpty());
}

TEST(TextJoinerTest, ManyTextsStayThemselves) {
  std::vector<Reading> crowd;
  for (int row = 0; row < 40; ++row) {
    for (int column = 0; column < 5; ++column) {
      const std::string word = {static_cast<char>('a' + row % 26), static_cast<char>('a' + column),
                                static_cast<char>('a' + row / 26), 'x'};
      crowd.push_back(At(word, static_cast<float>(10 + 105 * column), static_cast<float>(5 + 23 * row), 0.97F, 16));
    }
  }
  const auto frames = Frames({crowd, crowd, crowd});
  const auto events = Join(frames);
  EXPECT_THAT(events, SizeIs(200));
  for (const TextEvent& event : events) EXPECT_THAT(event.observations, SizeIs(3));
}

TEST(StandingPositionTest, PlacesHaveTheirNames) {
  EXPECT_EQ(StandingPosition(Rectangle(100, 760, 340, 40), kWidthPx, kHeightPx), Position::kCaption);
  EXPECT_EQ(StandingPosition(Rectangle(20, 20, 120, 24), kWidthPx, kHeightPx), Position::kCorner);
  EXPECT_EQ(StandingPosition(Rectangle(400, 900, 120, 24), kWidthPx, kHeightPx), Position::kCorner);
  EXPECT_EQ(StandingPosition(Rectangle(60, 180, 420, 60), kWidthPx, kHeightPx), Position::kTitle);
  EXPECT_EQ(StandingPosition(Rectangle(100, 460, 340, 30), kWidthPx, kHeightPx), Position::kOther);
  // A caption across the whole width is no corner.
  EXPECT_EQ(StandingPosition(Rectangle(10, 860, 520, 40), kWidthPx, kHeightPx), Position::kCaption);
}

}  // namespace
}  // namespace reelsight::text_overlay
