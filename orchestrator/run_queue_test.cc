// SPDX-License-Identifier: Apache-2.0
//
// The queue alone: no threads, no videos.
#include "orchestrator/run_queue.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

// A caller with a run of its own.
struct Call final : RunObserver {
  explicit Call(const std::string& id)
      : run(std::make_shared<Run>(id, std::make_shared<v1::AnalyzeRequest>(), TestTimer())) {
    run->Attach(this, token, [this](absl::StatusOr<ResponsePtr> result) { end = result.status(); });
  }
  ~Call() override { run->Finish(absl::CancelledError("the test is over")); }
  void OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) override {
    places.push_back(progress.queue_position());
  }

  CancelToken token;
  const std::shared_ptr<Run> run;
  // Places that it heard of.
  std::vector<int> places;
  absl::Status end = absl::UnknownError("not ended");
};

class RunQueueTest : public ::testing::Test {
 protected:
  RunQueue& Make(int max_running, int max_waiting) {
    queue_ = std::make_unique<RunQueue>(
        RunQueue::Options{.max_running = max_running, .max_waiting = max_waiting},
        [this](const AdmittedRun& admitted) { started_.push_back(admitted.run->id()); },
        [this](const AdmittedRun& admitted) {
          left_.push_back(admitted.run->id());
          admitted.run->Finish(admitted.run->cancel().status());
        },
        nullptr);
    return *queue_;
  }

  std::vector<std::string> started_;
  std::vector<std::string> left_;
  std::unique_ptr<RunQueue> queue_;
};

TEST_F(RunQueueTest, StartsAsManyAsItMayAndTheOthersInOrder) {
  RunQueue& queue = Make(2, 3);
  Call a("a"), b("b"), c("c"), d("d");
  for (Call* call : {&a, &b, &c, &d}) EXPECT_TRUE(queue.Admit(call->run).ok());
  EXPECT_THAT(started_, ElementsAre("a", "b"));
  EXPECT_EQ(queue.active_runs(), 4);
  queue.StartNext();
  EXPECT_THAT(started_, ElementsAre("a", "b", "c"));
  queue.StartNext();
  EXPECT_THAT(started_, ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(queue.active_runs(), 2);
  queue.StartNext();
  queue.StartNext();
  EXPECT_EQ(queue.active_runs(), 0);
  // The places are free again.
  Call e("e");
  EXPECT_TRUE(queue.Admit(e.run).ok());
  EXPECT_EQ(started_.back(), "e");
}

TEST_F(RunQueueTest, EachHearsOfItsPlaceWhenItChangesAndOfItsStart) {
  RunQueue& queue = Make(1, 3);
  Call a("a"), b("b"), c("c"), d("d");
  for (Call* call : {&a, &b, &c, &d}) EXPECT_TRUE(queue.Admit(call->run).ok());
  EXPECT_THAT(a.places, IsEmpty());
  EXPECT_THAT(d.places, ElementsAre(3));
  c.token.Cancel();
  EXPECT_THAT(b.places, ElementsAre(1));
  EXPECT_THAT(d.places, ElementsAre(3, 2));
  queue.StartNext();
  EXPECT_THAT(b.places, ElementsAre(1, 0));
  EXPECT_THAT(c.places, ElementsAre(2));
  EXPECT_THAT(d.places, ElementsAre(3, 2, 1));
}

TEST_F(RunQueueTest, ARunThatAllHaveLeftGoesAndLeavesItsPlaceToAnother) {
  RunQueue& queue = Make(1, 1);
  Call a("a"), b("b"), c("c");
  EXPECT_TRUE(queue.Admit(a.run).ok());
  EXPECT_TRUE(queue.Admit(b.run).ok());
  b.token.Cancel();
  EXPECT_THAT(left_, ElementsAre("b"));
  EXPECT_EQ(b.end.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(queue.active_runs(), 1);
  EXPECT_TRUE(queue.Admit(c.run).ok());
  queue.StartNext();
  EXPECT_THAT(started_, ElementsAre("a", "c"));
  // One that has started is no business of the queue's.
  c.token.Cancel();
  EXPECT_THAT(left_, ElementsAre("b"));
  EXPECT_EQ(queue.active_runs(), 1);
}

TEST_F(RunQueueTest, ARunThatWasLeftBeforeItCameNeitherStartsNorStays) {
  RunQueue& queue = Make(1, 1);
  Call a("a"), b("b");
  EXPECT_TRUE(queue.Admit(a.run).ok());
  b.token.Cancel();
  EXPECT_TRUE(queue.Admit(b.run).ok());
  EXPECT_THAT(left_, ElementsAre("b"));
  EXPECT_EQ(queue.active_runs(), 1);
}

TEST_F(RunQueueTest, AFullQueueRefusesAndSaysWhenToComeBack) {
  RunQueue& queue = Make(1, 1);
  Call a("a"), b("b"), c("c");
  EXPECT_TRUE(queue.Admit(a.run).ok());
  EXPECT_TRUE(queue.Admit(b.run).ok());
  const absl::Status refused = queue.Admit(c.run);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(refused), "SERVER_BUSY");
  EXPECT_EQ(std::string(refused.message()), "the server works on 1 videos and 1 wait; try again later");
  EXPECT_GT(GetRetryDelay(refused), absl::ZeroDuration());
  EXPECT_EQ(queue.active_runs(), 2);
  EXPECT_THAT(c.places, IsEmpty());
}

TEST_F(RunQueueTest, ADrainingQueueRefusesNewRunsAndStartsThoseThatWait) {
  RunQueue& queue = Make(1, 2);
  Call a("a"), b("b"), c("c");
  EXPECT_TRUE(queue.Admit(a.run).ok());
  EXPECT_TRUE(queue.Admit(b.run).ok());
  queue.BeginDrain();
  const absl::Status refused = queue.Admit(c.run);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetReason(refused), "SERVER_DRAINING");
  EXPECT_GT(GetRetryDelay(refused), absl::ZeroDuration());
  queue.StartNext();
  EXPECT_THAT(started_, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace reelsight::orchestrator
