// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/timeline_builder.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::orchestrator {
namespace {

using analyzer::v1::TimelineEntry;

TimelineEntry Entry(TimelineEntry::Kind kind, const std::string& label, double start, double end) {
  TimelineEntry entry;
  entry.set_kind(kind);
  entry.set_label(label);
  *entry.mutable_start_offset() = analysis::ToProto(absl::Seconds(start));
  *entry.mutable_end_offset() = analysis::ToProto(absl::Seconds(end));
  return entry;
}

// "[0-4: 0-2(pan 0-1) 2-4] ..." in seconds.
std::string Text(const v1::Timeline& timeline) {
  const auto span = [](const auto& m) {
    return absl::StrCat(absl::ToDoubleSeconds(analysis::FromProto(m.start_offset())), "-",
                        absl::ToDoubleSeconds(analysis::FromProto(m.end_offset())));
  };
  std::string text;
  for (const auto& scene : timeline.scenes()) {
    absl::StrAppend(&text, "[", span(scene), ":");
    for (const auto& shot : scene.shots()) {
      absl::StrAppend(&text, " ", span(shot));
      for (const auto& entry : shot.entries()) absl::StrAppend(&text, "(", entry.label(), " ", span(entry), ")");
    }
    text += "]";
  }
  return text;
}

constexpr auto kSeen = TimelineEntry::KIND_UNSPECIFIED;
constexpr auto kShot = TimelineEntry::KIND_SHOT;
constexpr auto kScene = TimelineEntry::KIND_SCENE;
const std::vector<TimeSpan> kTenSeconds = {{absl::ZeroDuration(), absl::Seconds(10)}};

TEST(TimelineBuilderTest, WithoutShotsTheWholeIsOneShot) {
  EXPECT_EQ(Text(BuildTimeline({}, kTenSeconds)), "[0-10: 0-10]");
}

TEST(TimelineBuilderTest, EntriesAreCutToTheShotsTheyCross) {
  const std::vector<AnalyzerEntries> analyzers = {
      {"cut", {Entry(kShot, "", 0, 4), Entry(kShot, "", 4, 10), Entry(kSeen, "hard cut", 4, 4)}},
      {"camera", {Entry(kSeen, "pan", 1, 6)}},
      {"scene", {Entry(kScene, "", 0, 10)}}};
  EXPECT_EQ(Text(BuildTimeline(analyzers, kTenSeconds)), "[0-10: 0-4(pan 1-4) 4-10(pan 4-6)(hard cut 4-4)]");
}

TEST(TimelineBuilderTest, ScenesEndAtShotBoundaries) {
  const std::vector<AnalyzerEntries> analyzers = {{"cut", {Entry(kShot, "", 0, 4), Entry(kShot, "", 4, 10)}},
                                                  {"scene", {Entry(kScene, "", 0, 3), Entry(kScene, "", 3, 10)}}};
  EXPECT_EQ(Text(BuildTimeline(analyzers, kTenSeconds)), "[0-4: 0-4][4-10: 4-10]");
}

TEST(TimelineBuilderTest, SegmentsAreTiledEachForItself) {
  const std::vector<AnalyzerEntries> analyzers = {{"cut", {Entry(kShot, "", 1, 3), Entry(kShot, "", 2, 3)}}};
  EXPECT_EQ(
      Text(BuildTimeline(analyzers, {{absl::Seconds(1), absl::Seconds(3)}, {absl::Seconds(7), absl::Seconds(8)}})),
      "[1-3: 1-2 2-3][7-8: 7-8]");
}

TEST(TimelineBuilderTest, ShotsAndScenesTileWhateverAnalyzersSay) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> second(-1, 11);
  for (int round = 0; round < 200; ++round) {
    std::vector<AnalyzerEntries> analyzers = {{"a", {}}};
    for (int i = 0; i < 8; ++i) {
      analyzers[0].entries.push_back(Entry(i % 2 == 0 ? kShot : kScene, "", second(random), second(random)));
    }
    const v1::Timeline timeline = BuildTimeline(analyzers, kTenSeconds);
    absl::Duration at = absl::ZeroDuration();
    for (const auto& scene : timeline.scenes()) {
      ASSERT_EQ(analysis::FromProto(scene.start_offset()), at);
      for (const auto& shot : scene.shots()) {
        ASSERT_EQ(analysis::FromProto(shot.start_offset()), at);
        at = analysis::FromProto(shot.end_offset());
        ASSERT_GT(at, analysis::FromProto(shot.start_offset()));
      }
      ASSERT_EQ(analysis::FromProto(scene.end_offset()), at);
    }
    ASSERT_EQ(at, absl::Seconds(10));
  }
}

TEST(TimelineBuilderTest, OnlyTheFirstAnalyzerWithShotsMakesThem) {
  const std::vector<AnalyzerEntries> analyzers = {{"none", {Entry(kSeen, "x", 0, 1)}},
                                                  {"first", {Entry(kShot, "", 0, 4), Entry(kScene, "", 0, 4)}},
                                                  {"second", {Entry(kShot, "", 6, 8), Entry(kScene, "", 6, 8)}}};
  EXPECT_EQ(Text(BuildTimeline(analyzers, kTenSeconds)), "[0-10: 0-10(x 0-1)]");
  EXPECT_EQ(Text(BuildTimeline({analyzers[2], analyzers[1]}, kTenSeconds)), "[0-6: 0-6][6-10: 6-10]");
}

TEST(TimelineBuilderTest, StartsOutsideASegmentMakeNothingInIt) {
  const std::vector<AnalyzerEntries> analyzers = {
      {"cut", {Entry(kShot, "", 2, 3), Entry(kShot, "", 4, 5), Entry(kShot, "", 6, 7)}}};
  EXPECT_EQ(
      Text(BuildTimeline(analyzers, {{absl::Seconds(2), absl::Seconds(4)}, {absl::Seconds(5), absl::Seconds(6)}})),
      "[2-4: 2-4][5-6: 5-6]");
}

TEST(TimelineBuilderTest, ASceneGoesOnWhereNoneBegins) {
  const std::vector<AnalyzerEntries> analyzers = {
      {"cut", {Entry(kShot, "", 0, 2), Entry(kShot, "", 2, 4), Entry(kShot, "", 4, 6), Entry(kShot, "", 6, 10)}},
      {"scene", {Entry(kScene, "", 2, 6), Entry(kScene, "", 6, 10)}}};
  EXPECT_EQ(Text(BuildTimeline(analyzers, kTenSeconds)), "[0-2: 0-2][2-6: 2-4 4-6][6-10: 6-10]");
  // A segment that begins within a scene begins with it.
  EXPECT_EQ(Text(BuildTimeline(analyzers, {{absl::Seconds(3), absl::Seconds(7)}})), "[3-6: 3-4 4-6][6-7: 6-7]");
}

TEST(TimelineBuilderTest, EntriesTouchAShotOnlyWhereTheyOverlapIt) {
  const auto text = [](double start, double end) {
    return Text(BuildTimeline({{"cut", {Entry(kShot, "", 0, 4)}},
                               {"cut2", {Entry(kShot, "", 4, 10)}},
                               {"seen", {Entry(kSeen, "x", start, end)}}},
                              {{absl::Seconds(1), absl::Seconds(4)}, {absl::Seconds(4), absl::Seconds(9)}}));
  };
  EXPECT_EQ(text(2, 4), "[1-4: 1-4(x 2-4)][4-9: 4-9]");
  EXPECT_EQ(text(4, 6), "[1-4: 1-4][4-9: 4-9(x 4-6)]");
  EXPECT_EQ(text(0, 10), "[1-4: 1-4(x 1-4)][4-9: 4-9(x 4-9)]");
  EXPECT_EQ(text(0, 1), "[1-4: 1-4][4-9: 4-9]");
  EXPECT_EQ(text(9, 10), "[1-4: 1-4][4-9: 4-9]");
  // Moments belong to what begins there.
  EXPECT_EQ(text(1, 1), "[1-4: 1-4(x 1-1)][4-9: 4-9]");
  EXPECT_EQ(text(4, 4), "[1-4: 1-4][4-9: 4-9(x 4-4)]");
  EXPECT_EQ(text(9, 9), "[1-4: 1-4][4-9: 4-9]");
  EXPECT_EQ(text(0.5, 0.5), "[1-4: 1-4][4-9: 4-9]");
  // An end before the start is a moment.
  EXPECT_EQ(text(3, 2), "[1-4: 1-4(x 3-3)][4-9: 4-9]");
}

TEST(TimelineBuilderTest, EntriesStandByStartAnalyzerAndOrderAndKeepWhatTheySay) {
  TimelineEntry scored = Entry(kSeen, "scored", 5, 6);
  scored.set_score(0.5);
  const std::vector<AnalyzerEntries> analyzers = {
      {"b", {Entry(kSeen, "b2", 5, 9), Entry(kSeen, "b1", 1, 9), Entry(kSeen, "b3", 5, 7)}},
      {"a", {scored, Entry(kSeen, "a2", 5, 6)}}};
  const v1::Timeline timeline = BuildTimeline(analyzers, kTenSeconds);
  EXPECT_EQ(Text(timeline), "[0-10: 0-10(b1 1-9)(scored 5-6)(a2 5-6)(b2 5-9)(b3 5-7)]");
  const v1::Timeline::Entry& entry = timeline.scenes(0).shots(0).entries(1);
  EXPECT_EQ(entry.analyzer(), "a");
  EXPECT_EQ(entry.score(), 0.5);
}

}  // namespace
}  // namespace reelsight::orchestrator
