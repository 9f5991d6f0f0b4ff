// SPDX-License-Identifier: Apache-2.0
#include "shared/process/memory_trimmer.h"

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shared/telemetry/resident_memory.h"

namespace reelsight::process {
namespace {

using std::chrono::seconds;
constexpr int64_t kMiB = 1 << 20;

// A process whose size the test sets.
class MemoryTrimmerTest : public ::testing::Test {
 protected:
  // One look, `after` seconds after the start.
  bool Look(int after) { return trimmer_->Look(start_ + seconds(after)); }
  void Make() {
    MemoryTrimmer::Options options;
    options.idle = [this] { return idle_; };
    options.resident_bytes = [this] { return resident_bytes_; };
    options.trim = [this] { resident_bytes_ = std::min(resident_bytes_, live_bytes_); };
    options.idle_trims = 2;
    options.idle_interval = seconds(4);
    trimmer_ = std::make_unique<MemoryTrimmer>(std::move(options));
  }

  const MemoryTrimmer::Clock::time_point start_ = MemoryTrimmer::Clock::now();
  bool idle_ = true;
  int64_t live_bytes_ = 50 * kMiB;
  int64_t resident_bytes_ = 50 * kMiB;
  std::unique_ptr<MemoryTrimmer> trimmer_;
};

TEST_F(MemoryTrimmerTest, LeavesAProcessAloneThatDidNothing) {
  Make();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Look(i));
}

TEST_F(MemoryTrimmerTest, GivesBackAfterWorkHoweverLittleItGrew) {
  Make();
  idle_ = false;
  EXPECT_FALSE(Look(1));
  idle_ = true;
  EXPECT_TRUE(Look(2));
  EXPECT_FALSE(Look(3));
  // Once more, for what was freed late; then it rests.
  EXPECT_TRUE(Look(6));
  for (int i = 7; i < 100; ++i) EXPECT_FALSE(Look(i));
}

TEST_F(MemoryTrimmerTest, WhatIsFreedAfterTheFirstTimeComesBackToo) {
  Make();
  idle_ = false;
  resident_bytes_ = live_bytes_ = 250 * kMiB;
  EXPECT_FALSE(Look(1));
  idle_ = true;
  EXPECT_TRUE(Look(2));
  EXPECT_EQ(resident_bytes_, 250 * kMiB);
  live_bytes_ = 50 * kMiB;
  EXPECT_FALSE(Look(3));
  EXPECT_TRUE(Look(6));
  EXPECT_EQ(resident_bytes_, 50 * kMiB);
}

TEST_F(MemoryTrimmerTest, SeesWorkThatWasTooShortToBeSeen) {
  Make();
  EXPECT_FALSE(Look(1));
  resident_bytes_ = 70 * kMiB;
  EXPECT_TRUE(Look(2));
  EXPECT_EQ(resident_bytes_, 50 * kMiB);
}

TEST_F(MemoryTrimmerTest, InABusyProcessItIsRareAndOnlyForMuch) {
  Make();
  idle_ = false;
  resident_bytes_ = 300 * kMiB;
  EXPECT_FALSE(Look(1));
  resident_bytes_ = 500 * kMiB;
  EXPECT_TRUE(Look(2));
  EXPECT_EQ(resident_bytes_, 50 * kMiB);
  resident_bytes_ = 500 * kMiB;
  EXPECT_FALSE(Look(3));
  EXPECT_FALSE(Look(11));
  EXPECT_TRUE(Look(12));
}

TEST_F(MemoryTrimmerTest, WhatGrewAndIsInUseIsNotTriedAgainAndAgain) {
  Make();
  resident_bytes_ = live_bytes_ = 400 * kMiB;
  EXPECT_TRUE(Look(1));
  for (int i = 2; i < 100; ++i) EXPECT_FALSE(Look(i));
}

// Small blocks of which one in a hundred stays keep all their pages, as the results of frames do.
TEST(MemoryTrimmerRealTest, TheThreadGivesBackWhatTheAllocatorKept) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's own allocator";
#endif
  constexpr size_t kBlocks = 200'000;
  const int64_t before = telemetry::ResidentBytes();
  std::vector<std::unique_ptr<std::string>> blocks;
  for (size_t i = 0; i < kBlocks; ++i) blocks.push_back(std::make_unique<std::string>(1000, 'x'));
  for (size_t i = 0; i < kBlocks; ++i) {
    if (i % 100 != 0) blocks[i].reset();
  }
  ASSERT_GT(telemetry::ResidentBytes() - before, 150 * kMiB);
  std::promise<int64_t> told;
  MemoryTrimmer::Options options;
  options.idle = [] { return true; };
  options.resident_bytes = telemetry::ResidentBytes;
  options.interval = std::chrono::milliseconds(1);
  options.idle_growth_bytes = -(int64_t{1} << 40);
  options.on_trim = [&, once = true](int64_t, int64_t after_bytes) mutable {
    if (std::exchange(once, false)) told.set_value(after_bytes);
  };
  MemoryTrimmer trimmer(std::move(options));
  trimmer.Start();
  EXPECT_LT(told.get_future().get() - before, 50 * kMiB);
}

}  // namespace
}  // namespace reelsight::process
