// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/timer.h"

#include <chrono>
#include <future>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/test_pause.h"

namespace reelsight::concurrency {
namespace {

TEST(TimerTest, RunsInOrderOfTimeAndWhatWaitsAtTheEnd) {
  std::vector<int> order;
  const auto now = Timer::Clock::now();
  {
    Timer timer;
    timer.RunAt(now + std::chrono::hours(24), [&] { order.push_back(3); });
    timer.RunAt(now + std::chrono::milliseconds(20), [&] { order.push_back(2); });
    timer.RunAt(now - std::chrono::hours(1), [&] { order.push_back(1); });
  }
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2, 3));
}

TEST(TimerTest, ACancelledFunctionNeverRunsAndFreesWhatItHolds) {
  auto held = std::make_shared<int>();
  int ran = 0;
  {
    Timer timer;
    const auto in_a_day = Timer::Clock::now() + std::chrono::hours(24);
    const Timer::Ticket ticket = timer.RunAt(in_a_day, [&ran, held] { ran += 1; });
    timer.RunAt(in_a_day, [&ran] { ran += 10; });
    timer.Cancel(ticket);
    EXPECT_EQ(held.use_count(), 1);
    timer.Cancel(ticket);
    timer.Cancel(Timer::Ticket());
  }
  EXPECT_EQ(ran, 10);
}

TEST(TimerTest, ItsOwnerMayGoAsSoonAsTheFunctionHasRun) {
  auto timer = std::make_unique<Timer>();
  std::promise<void> ran;
  const PauseForTest pause("Timer::RunAt", [&] {
    ran.get_future().wait();
    timer.reset();
  });
  timer->RunAt(Timer::Clock::now(), [&] { ran.set_value(); });
  EXPECT_TRUE(pause.reached());
  EXPECT_EQ(timer, nullptr);
}

TEST(TimerTest, NothingRunsBeforeItsTime) {
  Timer timer;
  std::promise<Timer::Clock::time_point> ran;
  const auto when = Timer::Clock::now() + std::chrono::milliseconds(30);
  const Timer::Ticket ticket = timer.RunAt(when, [&] { ran.set_value(Timer::Clock::now()); });
  EXPECT_EQ(ticket.first, when);
  // An earlier one goes before it, though it comes later.
  std::promise<void> early;
  timer.RunAt(Timer::Clock::now(), [&] { early.set_value(); });
  early.get_future().wait();
  EXPECT_GE(ran.get_future().get(), when);
}

TEST(TimerTest, OneThatWaitsForLongKeepsNobodyOut) {
  Timer timer;
  const Timer::Ticket late = timer.RunAt(Timer::Clock::now() + std::chrono::hours(24), [] {});
  // So often that the thread is certain to wait for the late one in between.
  for (int i = 0; i < 200; ++i) {
    std::promise<void> ran;
    timer.RunAt(Timer::Clock::now(), [&] { ran.set_value(); });
    ran.get_future().wait();
  }
  timer.Cancel(late);
}

TEST(TimerTest, ThoseOfOneMomentRunInTheOrderOfComing) {
  std::vector<int> order;
  {
    Timer timer;
    const auto when = Timer::Clock::now() + std::chrono::hours(24);
    std::vector<Timer::Ticket> tickets;
    for (int i = 0; i < 4; ++i) tickets.push_back(timer.RunAt(when, [&order, i] { order.push_back(i); }));
    timer.Cancel(tickets[1]);
  }
  EXPECT_THAT(order, ::testing::ElementsAre(0, 2, 3));
}

TEST(TimerTest, TheProcessHasOne) {
  std::promise<void> ran;
  ProcessTimer().RunAt(Timer::Clock::now(), [&] { ran.set_value(); });
  ran.get_future().wait();
  EXPECT_EQ(&ProcessTimer(), &ProcessTimer());
}

}  // namespace
}  // namespace reelsight::concurrency
