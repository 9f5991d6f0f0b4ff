// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/timeline_builder.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/analyzer.h"

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

}  // namespace
}  // namespace reelsight::orchestrator
