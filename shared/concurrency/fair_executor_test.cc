// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/fair_executor.h"

#include <pthread.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::concurrency {
namespace {

using ::testing::ElementsAre;

// Submits work that ends when `gate` opens, and waits until it runs.
void SubmitUntil(FairExecutor& executor, std::promise<void>& gate) {
  // Shared, because the work may still be leaving set_value when this returns.
  const auto started = std::make_shared<std::promise<void>>();
  ASSERT_TRUE(executor
                  .Submit("a",
                          [started, opened = gate.get_future().share()] {
                            started->set_value();
                            opened.wait();
                          })
                  .ok());
  started->get_future().wait();
}

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
  std::promise<void> gate;
  FairExecutor executor({.thread_count = 1, .max_queued = 1});
  SubmitUntil(executor, gate);
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

TEST(FairExecutorTest, EachThreadIsNamedPreparedAndRunsTasksAtOnce) {
  std::atomic<int> prepared = 0;
  std::latch all(3);
  std::mutex mutex;
  std::set<std::string> names;
  {
    FairExecutor executor({.thread_count = 3, .name = "a name that is too long", .thread_init = [&] { ++prepared; }});
    EXPECT_EQ(executor.thread_count(), 3);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(executor
                      .Submit("a",
                              [&] {
                                all.arrive_and_wait();
                                char name[16] = {};
                                pthread_getname_np(pthread_self(), name, sizeof(name));
                                const std::lock_guard lock(mutex);
                                names.insert(name);
                              })
                      .ok());
    }
  }
  EXPECT_EQ(prepared, 3);
  EXPECT_THAT(names, ElementsAre("a name that is "));
}

TEST(FairExecutorTest, NoThreadsAreOne) {
  std::promise<void> ran;
  FairExecutor executor({.thread_count = 0});
  EXPECT_TRUE(executor.Submit("a", [&] { ran.set_value(); }).ok());
  ran.get_future().wait();
}

TEST(FairExecutorTest, CountsWhatWaitsAndWhatRuns) {
  std::promise<void> gate;
  FairExecutor executor({.thread_count = 1, .max_queued = 2, .name = "work"});
  EXPECT_EQ(executor.queued(), 0);
  EXPECT_EQ(executor.running(), 0);
  SubmitUntil(executor, gate);
  ASSERT_TRUE(executor.Submit("a", [] {}).ok());
  ASSERT_TRUE(executor.Submit("b", [] {}).ok());
  EXPECT_EQ(executor.queued(), 2);
  EXPECT_EQ(executor.running(), 1);
  const absl::Status full = executor.Submit("c", [] {});
  EXPECT_EQ(full.message(), "work: 2 tasks are waiting; try again later");
  EXPECT_EQ(GetReason(full), "QUEUE_FULL");
  EXPECT_EQ(executor.queued(), 2);
  gate.set_value();
}

TEST(FairExecutorTest, WhatATaskHoldsIsFreedBeforeItCountsAsDone) {
  std::promise<bool> freed;
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> watched = held;
  FairExecutor executor({.thread_count = 1, .on_change = [&, last = int64_t{0}](int64_t, int64_t running) mutable {
                           if (last == 1 && running == 0) freed.set_value(watched.expired());
                           last = running;
                         }});
  EXPECT_TRUE(executor.Submit("a", [kept = std::move(held)] { EXPECT_NE(kept, nullptr); }).ok());
  EXPECT_TRUE(freed.get_future().get());
}

}  // namespace
}  // namespace reelsight::concurrency
