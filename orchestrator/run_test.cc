// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/run.h"

#include <atomic>
#include <future>
#include <thread>

#include "gtest/gtest.h"
#include "shared/base/test_pause.h"

namespace reelsight::orchestrator {
namespace {

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

std::shared_ptr<Run> MakeRun() {
  return std::make_shared<Run>("id", std::make_shared<v1::AnalyzeRequest>(), TestTimer());
}

struct Recorder final : RunObserver {
  void OnVideo(const v1::VideoInfo&) override { ++videos; }
  void OnResult(const v1::AnalyzerResult&) override { ++results; }
  std::atomic<int> videos = 0;
  std::atomic<int> results = 0;
};

TEST(RunTest, ALateCallerGetsWhatItMissedAndEveryoneTheEnd) {
  auto run = MakeRun();
  Recorder early, late;
  CancelToken cancel;
  int ends = 0;
  const auto done = [&](absl::StatusOr<ResponsePtr> result) { ends += result.ok() ? 1 : 100; };
  run->Attach(&early, cancel, done);
  run->SendVideo({});
  run->SendResult({});
  run->Attach(&late, cancel, done);
  run->SendResult({});
  run->Finish(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_EQ(early.videos, 1);
  EXPECT_EQ(late.videos, 1);
  EXPECT_EQ(early.results, 2);
  EXPECT_EQ(late.results, 2);
  EXPECT_EQ(ends, 2);
}

TEST(RunTest, AfterTheEndTheAnswerIsReplayedAndMarked) {
  auto run = MakeRun();
  auto answer = std::make_shared<v1::AnalyzeResponse>();
  answer->set_summary("a dog");
  answer->add_results()->set_analyzer("objects");
  v1::AnalyzeResponse expected = *answer;
  expected.mutable_stats()->set_replayed(true);
  run->Finish(std::move(answer));
  std::string replayed;
  run->Attach(nullptr, CancelToken(), [&](auto result) { replayed = (*result)->DebugString(); });
  EXPECT_EQ(replayed, expected.DebugString());
  EXPECT_EQ(run->request(), nullptr);
}

TEST(RunTest, TheRunStopsOnlyWhenItsLastCallerGoes) {
  auto run = MakeRun();
  CancelToken first, second;
  absl::StatusCode codes[2] = {};
  run->Attach(nullptr, first, [&](auto result) { codes[0] = result.status().code(); });
  run->Attach(nullptr, second, [&](auto result) { codes[1] = result.status().code(); });
  first.Cancel();
  EXPECT_EQ(codes[0], absl::StatusCode::kCancelled);
  EXPECT_FALSE(run->cancel().cancelled());
  second.Cancel();
  EXPECT_TRUE(run->cancel().cancelled());
  run->Finish(absl::InternalError("too late"));
  EXPECT_EQ(codes[1], absl::StatusCode::kCancelled);
}

TEST(RunTest, ADeadlineRingsByItself) {
  auto run = MakeRun();
  CancelToken cancel;
  cancel.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(20));
  std::promise<absl::StatusCode> ended;
  run->Attach(nullptr, cancel, [&](auto result) { ended.set_value(result.status().code()); });
  EXPECT_EQ(ended.get_future().get(), absl::StatusCode::kDeadlineExceeded);
}

TEST(RunTest, CancelAgainstFinishEndsEachCallerOnce) {
  for (int round = 0; round < 200; ++round) {
    auto run = MakeRun();
    CancelToken cancel;
    std::atomic<int> ends = 0;
    run->Attach(nullptr, cancel, [&](auto) { ++ends; });
    std::thread canceller([&] { cancel.Cancel(); });
    run->Finish(std::make_shared<v1::AnalyzeResponse>());
    canceller.join();
    EXPECT_EQ(ends, 1);
  }
}

TEST(RunTest, LeavingAgainstEventsEndsTheCallerOnceAndNobodyWaits) {
  for (int round = 0; round < 200; ++round) {
    auto run = MakeRun();
    Recorder recorder;
    CancelToken cancel;
    std::atomic<int> ends = 0;
    run->Attach(&recorder, cancel, [&](auto) { ++ends; });
    std::thread canceller([&] { cancel.Cancel(); });
    while (ends == 0) run->SendVideo({});
    canceller.join();
    const int videos = recorder.videos;
    run->SendVideo({});
    EXPECT_EQ(recorder.videos, videos);
    EXPECT_EQ(ends, 1);
  }
}

TEST(RunTest, WhatAllHaveLeftCannotBeJoined) {
  auto run = MakeRun();
  CancelToken cancel;
  ASSERT_TRUE(run->Attach(nullptr, cancel, [](auto) {}));
  EXPECT_TRUE(run->joinable());
  cancel.Cancel();
  EXPECT_FALSE(run->joinable());
  EXPECT_FALSE(run->Attach(nullptr, CancelToken(), [](auto) { ADD_FAILURE() << "must not be called"; }));
}

TEST(RunTest, WhatTheLastIsAboutToLeaveCannotBeJoined) {
  auto run = MakeRun();
  CancelToken cancel;
  ASSERT_TRUE(run->Attach(nullptr, cancel, [](auto) {}));
  bool joined = true;
  const PauseForTest pause("Run::Detach", [&] {
    EXPECT_FALSE(run->cancel().cancelled());
    joined = run->Attach(nullptr, CancelToken(), [](auto) { ADD_FAILURE() << "must not be called"; });
  });
  cancel.Cancel();
  EXPECT_TRUE(pause.reached());
  EXPECT_FALSE(joined);
}

TEST(RunTest, ItsOwnDeadlineRingsThoughNobodyWorksOnIt) {
  auto run = MakeRun();
  std::promise<absl::StatusCode> rang;
  CancelToken::Callback ring(run->cancel(), [&] { rang.set_value(run->cancel().status().code()); });
  run->SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(20));
  EXPECT_EQ(rang.get_future().get(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(run->joinable());
}

TEST(RunTest, WorkEndsALittleBeforeTheLastDeadline) {
  using Clock = CancelToken::Clock;
  const Clock::time_point now = Clock::now();
  auto run = MakeRun();
  CancelToken hasty, patient;
  hasty.SetDeadline(now + std::chrono::milliseconds(100));
  patient.SetDeadline(now + std::chrono::milliseconds(4000));
  std::promise<absl::StatusCode> hasty_ended;
  run->Attach(nullptr, hasty, [&](auto result) { hasty_ended.set_value(result.status().code()); });
  bool answered = false;
  run->Attach(nullptr, patient, [&](auto result) { answered = result.ok(); });
  EXPECT_EQ(hasty_ended.get_future().get(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(run->work_cancel().cancelled());
  std::promise<void> rang;
  CancelToken::Callback ring(run->work_cancel(), [&] { rang.set_value(); });
  rang.get_future().wait();
  EXPECT_EQ(run->work_cancel().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(run->cancel().status().ok());
  run->Finish(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_TRUE(answered);
  // Answers may be missing: who asks again shall have a new run.
  EXPECT_FALSE(run->joinable());
}

TEST(RunTest, JoiningAgainstLeavingNeverLosesACaller) {
  for (int round = 0; round < 200; ++round) {
    auto run = MakeRun();
    CancelToken leaver;
    ASSERT_TRUE(run->Attach(nullptr, leaver, [](auto) {}));
    std::thread leaving([&] { leaver.Cancel(); });
    absl::Status joined = absl::UnknownError("not ended");
    const bool in = run->Attach(nullptr, CancelToken(), [&](auto result) { joined = result.status(); });
    leaving.join();
    EXPECT_EQ(in, !run->cancel().cancelled());
    run->Finish(std::make_shared<v1::AnalyzeResponse>());
    EXPECT_TRUE(!in || joined.ok()) << joined;
  }
}

TEST(RunTest, ACallerMayGoWithItsTokenAsSoonAsItHeardTheEnd) {
  auto run = MakeRun();
  auto token = std::make_unique<CancelToken>();
  const PauseForTest pause("Run::Attach", [&] { run->Finish(std::make_shared<v1::AnalyzeResponse>()); });
  EXPECT_TRUE(run->Attach(nullptr, *token, [&](auto) { token.reset(); }));
  EXPECT_TRUE(pause.reached());
  EXPECT_EQ(token, nullptr);
}

}  // namespace
}  // namespace reelsight::orchestrator
