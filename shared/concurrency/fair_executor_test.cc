// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/fair_executor.h"

#include <atomic>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/test_pause.h"

namespace reelsight::concurrency {
namespace {

using ::testing::ElementsAre;

TEST(FairExecutorTest, TakesTurnsBetweenClients) {
  std::vector<std::string> order;
  {
    std::promise<void> gate;
    FairExecutor executor({.thread_count = 1});
    ASSERT_TRUE(executor.Submit("gate", [&] { gate.get_future().wait(); }).ok());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(executor.Submit("a", [&] { order.push_back("a"); }).ok());
    ASSERT_TRUE(executor.Submit("b", [&] { order.push_back("b"); }).ok());
    gate.set_value();
  }
  EXPECT_THAT(order, ElementsAre("a", "b", "a", "a"));
}

TEST(FairExecutorTest, RefusesWhenFull) {
  std::promise<void> started, gate;
  FairExecutor executor({.thread_count = 1, .max_queued = 1});
  ASSERT_TRUE(executor
                  .Submit("a",
                          [&] {
                            started.set_value();
                            gate.get_future().wait();
                          })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(executor.Submit("a", [] {}).ok());
  EXPECT_EQ(executor.Submit("b", [] {}).code(), absl::StatusCode::kResourceExhausted);
  gate.set_value();
}

TEST(FairExecutorTest, RunsEverythingBeforeItStops) {
  std::atomic<int> runs = 0;
  {
    FairExecutor executor({.thread_count = 4, .max_queued = 1000});
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(executor.Submit(std::string(1, 'a' + i % 7), [&] { ++runs; }).ok());
    }
  }
  EXPECT_EQ(runs, 500);
}

TEST(FairExecutorTest, TellsEveryChangeAndEndsAtZero) {
  std::vector<std::pair<int64_t, int64_t>> told;
  {
    FairExecutor executor({.on_change = [&](int64_t queued, int64_t running) { told.emplace_back(queued, running); }});
    std::promise<void> ran;
    EXPECT_TRUE(executor.Submit("a", [&] { ran.set_value(); }).ok());
    ran.get_future().wait();
  }
  EXPECT_EQ(told, (std::vector<std::pair<int64_t, int64_t>>{{1, 0}, {0, 1}, {0, 0}}));
}

TEST(FairExecutorTest, ItMayGoAsSoonAsItsLastTaskHasRun) {
  auto executor = std::make_unique<FairExecutor>(FairExecutor::Options{.thread_count = 1});
  std::promise<void> ran;
  const PauseForTest pause("FairExecutor::Submit", [&] {
    ran.get_future().wait();
    executor.reset();
  });
  EXPECT_TRUE(executor->Submit("a", [&] { ran.set_value(); }).ok());
  EXPECT_TRUE(pause.reached());
}

}  // namespace
}  // namespace reelsight::concurrency
