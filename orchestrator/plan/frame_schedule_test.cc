// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/frame_schedule.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// One frame a word, ten a second: "-" outside all segments, "." taken by nobody, else takers and "<" for each
// neighbour.
std::string Decisions(FrameSchedule schedule, int count) {
  std::vector<std::string> words;
  for (int i = 0; i < count; ++i) {
    const FrameDecision decision = schedule.Decide(i, absl::Milliseconds(100 * i));
    words.push_back(decision.segment < 0 ? "-"
                    : decision.taken()   ? absl::StrJoin(decision.takers, "+") + std::string(decision.neighbours, '<')
                                         : ".");
  }
  return absl::StrJoin(words, " ");
}

PlannedAnalyzer Planned(double fps, int neighbours, analyzer::v1::Sampling::ContextKind kind) {
  PlannedAnalyzer planned;
  analyzer::v1::Sampling& sampling = *planned.description.mutable_sampling();
  sampling.set_sample_fps(fps);
  sampling.set_context_frames(neighbours);
  sampling.set_context_kind(kind);
  sampling.set_reference_min_interval(3);
  sampling.set_reference_divisor(2);
  return planned;
}

TEST(FrameScheduleTest, EachConsumerTakesItsOwnFrames) {
  FrameSchedule schedule({{.place = 0, .rule = {.sample_fps = 5}}, {.place = 3, .rule = {.interval_frames = 3}}}, {});
  EXPECT_FALSE(schedule.takes_every_frame());
  EXPECT_EQ(Decisions(schedule, 7), "0+3 . 0 3 0 . 0+3");
}

TEST(FrameScheduleTest, SamplingStartsAnewWithEachSegment) {
  EXPECT_EQ(Decisions(FrameSchedule({{.rule = {.sample_fps = 2}, .neighbours = 1}},
                                    {{absl::Milliseconds(250), absl::Milliseconds(950)},
                                     {absl::Milliseconds(950), absl::Milliseconds(1100)},
                                     {absl::Milliseconds(1150), absl::InfiniteDuration()}}),
                      14),
            "- - - 0< . . . . 0< . 0< - 0< .");
}

TEST(FrameScheduleTest, ASegmentWithoutFramesIsStepppedOver) {
  FrameSchedule schedule({{.rule = {.sample_fps = 10}}}, {{absl::Milliseconds(110), absl::Milliseconds(190)},
                                                          {absl::Milliseconds(200), absl::Seconds(9)}});
  EXPECT_EQ(schedule.Decide(1, absl::Milliseconds(100)).segment, -1);
  EXPECT_EQ(schedule.Decide(2, absl::Milliseconds(200)).segment, 1);
}

TEST(FrameScheduleTest, OnlyDecodedContextMakesNeighbours) {
  AnalysisPlan plan;
  plan.analyzers = {Planned(5, 2, analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED),
                    Planned(2, 1, analyzer::v1::Sampling::CONTEXT_KIND_DECODED)};
  EXPECT_EQ(Decisions(FrameSchedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {}), 6), "0+1< . 0 . 0 1<");
}

TEST(FrameScheduleTest, AnalyzersThatDoNotRunTakeNothing) {
  AnalysisPlan plan;
  plan.analyzers = {Planned(0, 0, analyzer::v1::Sampling::CONTEXT_KIND_UNSPECIFIED),
                    Planned(5, 0, analyzer::v1::Sampling::CONTEXT_KIND_UNSPECIFIED)};
  EXPECT_TRUE(FrameSchedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {}).takes_every_frame());
  plan.analyzers[0].status = absl::UnavailableError("away");
  FrameSchedule schedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {});
  EXPECT_FALSE(schedule.takes_every_frame());
  EXPECT_EQ(Decisions(schedule, 3), "1 . 1");
}

TEST(FrameScheduleTest, TheReferenceProfileCountsFramesOfTheVideosRate) {
  AnalysisPlan plan;
  plan.analyzers = {Planned(5, 0, analyzer::v1::Sampling::CONTEXT_KIND_UNSPECIFIED)};
  EXPECT_EQ(Decisions(FrameSchedule(plan, 10, v1::AnalyzeRequest::REFERENCE, {}), 11), "0 . . . . 0 . . . . 0");
  EXPECT_EQ(Decisions(FrameSchedule(plan, 4, v1::AnalyzeRequest::REFERENCE, {}), 5), "0 . . 0 .");
  plan.analyzers[0].sample_fps = 10;
  EXPECT_EQ(Decisions(FrameSchedule(plan, 10, v1::AnalyzeRequest::REFERENCE, {}), 3), "0 0 0");
}

TEST(FrameScheduleTest, NeighboursAreTheMostThatATakerWants) {
  for (const auto& [first, second] : {std::pair{1, 3}, {3, 1}}) {
    FrameSchedule schedule({{.place = 0, .rule = {.sample_fps = 5}, .neighbours = first},
                            {.place = 1, .rule = {.sample_fps = 5}, .neighbours = second}},
                           {});
    EXPECT_EQ(schedule.Decide(0, absl::ZeroDuration()).neighbours, 3);
    EXPECT_EQ(schedule.Decide(1, absl::Milliseconds(100)).neighbours, 0);
  }
  EXPECT_EQ(FrameSchedule({{.rule = {.sample_fps = 5}}}, {}).Decide(0, absl::ZeroDuration()).neighbours, 0);
}

TEST(FrameScheduleTest, WithoutSegmentsTheWholeVideoIsOne) {
  FrameSchedule schedule({{.rule = {.sample_fps = 5}}}, {});
  EXPECT_EQ(schedule.segments(), (std::vector<TimeSpan>{{absl::ZeroDuration(), absl::InfiniteDuration()}}));
  EXPECT_EQ(schedule.Decide(0, absl::Hours(100)).segment, 0);
  EXPECT_FALSE(FrameDecision().taken());
  EXPECT_EQ(FrameDecision().segment, -1);
}

TEST(FrameScheduleTest, BehindTheLastSegmentNothingIsTaken) {
  FrameSchedule schedule({{.rule = {}}}, {{absl::Seconds(1), absl::Seconds(2)}});
  EXPECT_TRUE(schedule.takes_every_frame());
  EXPECT_EQ(schedule.Decide(0, absl::Milliseconds(999)).segment, -1);
  EXPECT_TRUE(schedule.Decide(1, absl::Seconds(1)).taken());
  EXPECT_FALSE(schedule.Decide(2, absl::Seconds(2)).taken());
  EXPECT_FALSE(schedule.Decide(3, absl::Seconds(3)).taken());
}

TEST(FrameScheduleTest, AFrameThatComesLateIsTakenOnlyByWhoTakesEveryFrame) {
  FrameSchedule schedule({{.place = 0, .rule = {}}, {.place = 1, .rule = {.sample_fps = 1}}}, {});
  EXPECT_EQ(schedule.Decide(0, absl::ZeroDuration()).takers, (std::vector<int>{0, 1}));
  EXPECT_EQ(schedule.Decide(1, absl::Seconds(2)).takers, (std::vector<int>{0, 1}));
  EXPECT_EQ(schedule.Decide(2, absl::Seconds(1)).takers, std::vector<int>{0});
}

}  // namespace
}  // namespace reelsight::orchestrator
