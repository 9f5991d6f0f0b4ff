// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/container_budget.h"

#include <array>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/decode/library_imports.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

class ContainerBudgetTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(ContainerBudget::Install().ok()) << ContainerBudget::Install(); }

  // A call of libavutil that allocates.
  static void* Allocate(ContainerBudget& budget, size_t bytes) {
    const ContainerBudget::Scope scope(budget);
    return av_malloc(bytes);
  }
};

TEST_F(ContainerBudgetTest, RefusesWhatGoesOverItsBytes) {
  ContainerBudget budget({.max_bytes = 10 * kMiB});
  std::vector<void*> blocks;
  // Through each of the ways that libavutil has.
  blocks.push_back(Allocate(budget, 3 * kMiB));
  {
    const ContainerBudget::Scope scope(budget);
    blocks.push_back(av_mallocz(3 * kMiB));
    blocks.push_back(av_realloc(nullptr, kMiB));
    blocks.back() = av_realloc(blocks.back(), 2 * kMiB);
    blocks.push_back(av_calloc(1024, 1024));
  }
  for (void* block : blocks) EXPECT_NE(block, nullptr);
  EXPECT_GE(budget.used_bytes(), 9 * kMiB);
  EXPECT_LT(budget.used_bytes(), 10 * kMiB);
  EXPECT_TRUE(budget.status("clip").ok());
  {
    const ContainerBudget::Scope scope(budget);
    // The old block stays.
    EXPECT_EQ(av_realloc(blocks[2], 5 * kMiB), nullptr);
  }
  EXPECT_EQ(budget.status("clip").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(budget.status("clip")), "VIDEO_TOO_LONG");
  EXPECT_THAT(std::string(budget.status("clip").message()), HasSubstr("clip claims to hold more than"));
  // No table is whole any more: not even small ones are made.
  EXPECT_EQ(Allocate(budget, 16), nullptr);
  EXPECT_FALSE(budget.HasTime());
  for (void* block : blocks) av_free(block);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(ContainerBudgetTest, ManySmallBlocksCountToo) {
  ContainerBudget budget({.max_bytes = kMiB});
  AVDictionary* tags = nullptr;
  for (int i = 0; i < 100'000 && budget.status("").ok(); ++i) {
    const ContainerBudget::Scope scope(budget);
    av_dict_set(&tags, "key", "value", AV_DICT_MULTIKEY);
  }
  EXPECT_FALSE(budget.status("").ok());
  // The last block may be rounded up.
  EXPECT_LE(budget.used_bytes(), kMiB + 128);
  av_dict_free(&tags);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(ContainerBudgetTest, BlocksAreGivenBackOnAnyThreadAndAfterTheBudget) {
  void* later = nullptr;
  {
    ContainerBudget budget({.max_bytes = 10 * kMiB});
    for (int i = 0; i < 100; ++i) {
      void* block = Allocate(budget, 4 * kMiB);
      ASSERT_NE(block, nullptr);
      std::thread([block] { av_free(block); }).join();
      EXPECT_EQ(budget.used_bytes(), 0);
    }
    later = Allocate(budget, kMiB);
  }
  av_free(later);
}

TEST_F(ContainerBudgetTest, WhatIsHandedOverIsNotCharged) {
  ContainerBudget budget({.max_bytes = 10 * kMiB});
  std::vector<void*> packets;
  for (int i = 0; i < 20; ++i) {
    packets.push_back(Allocate(budget, kMiB));
    ASSERT_NE(packets.back(), nullptr);
    ContainerBudget::HandOver(packets.back());
    EXPECT_EQ(budget.used_bytes(), 0);
  }
  for (void* packet : packets) av_free(packet);
  ContainerBudget::HandOver(nullptr);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(ContainerBudgetTest, OutsideOfScopesNothingCounts) {
  ContainerBudget first({.max_bytes = kMiB}), second({.max_bytes = 10 * kMiB});
  void* free = av_malloc(20 * kMiB);
  EXPECT_NE(free, nullptr);
  void* mine = Allocate(first, kMiB / 2);
  void* other = Allocate(second, 2 * kMiB);
  EXPECT_LT(first.used_bytes(), kMiB);
  EXPECT_GE(second.used_bytes(), 2 * kMiB);
  // Grown outside, it belongs to nobody.
  mine = av_realloc(mine, 5 * kMiB);
  EXPECT_NE(mine, nullptr);
  EXPECT_EQ(first.used_bytes(), 0);
  for (void* block : {free, mine, other}) av_free(block);
}

TEST_F(ContainerBudgetTest, TimeRunsOut) {
  ContainerBudget budget({.base_time = absl::Milliseconds(5)});
  {
    const ContainerBudget::Scope scope(budget);
    EXPECT_TRUE(budget.HasTime());
    // Bounded by the budget alone.
    while (budget.HasTime()) {
    }
    EXPECT_EQ(av_malloc(16), nullptr);
  }
  EXPECT_EQ(GetReason(budget.status("clip")), "VIDEO_TOO_LONG");
  EXPECT_THAT(std::string(budget.status("clip").message()), HasSubstr("time"));
}

TEST_F(ContainerBudgetTest, LoopsThatAllocateLookAtTheClock) {
  ContainerBudget budget({.base_time = absl::ZeroDuration()});
  int allocated = 0;
  for (void* block = nullptr; (block = Allocate(budget, 16)) != nullptr && allocated < 1000; ++allocated) {
    av_free(block);
  }
  EXPECT_LT(allocated, 1000);
}

TEST_F(ContainerBudgetTest, PacketsAndBytesAddTime) {
  ContainerBudget budget(
      {.base_time = absl::ZeroDuration(), .time_per_packet = absl::Hours(1), .time_per_byte = absl::ZeroDuration()});
  budget.HasPacket();
  {
    const ContainerBudget::Scope scope(budget);
    EXPECT_TRUE(budget.HasTime());
  }
  ContainerBudget bytes({.base_time = absl::ZeroDuration(), .time_per_byte = absl::Hours(1)});
  bytes.ReadUpTo(1);
  // Bytes that are read again are no reason.
  bytes.ReadUpTo(0);
  const ContainerBudget::Scope scope(bytes);
  EXPECT_TRUE(bytes.HasTime());
}

TEST(LibraryImportsTest, SaysWhatCannotBeReplaced) {
  void* original = nullptr;
  const std::array missing = {LibraryImport{"no_such_function", &original, &original}};
  EXPECT_THAT(std::string(ReplaceImports("libavutil.so", missing).message()), HasSubstr("no_such_function"));
  EXPECT_EQ(ReplaceImports("libnothing.so", missing).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace reelsight::orchestrator
