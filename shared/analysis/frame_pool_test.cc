// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/frame_pool.h"

#include <future>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace reelsight::analysis {
namespace {

constexpr ImageSize kTen{10, 10};  // 100 bytes in GRAY8.

TEST(FramePoolTest, WaitsForTheBudgetAndGivesItBack) {
  auto pool = FramePool::Create(250);
  CancelToken cancel;
  auto a = pool->Allocate(PixelFormat::kGray8, kTen, cancel);
  auto b = pool->Allocate(PixelFormat::kGray8, kTen, cancel);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(pool->TryAllocate(PixelFormat::kGray8, kTen).status().code(), absl::StatusCode::kResourceExhausted);
  std::thread freer([&] { a->reset(); });
  EXPECT_TRUE(pool->Allocate(PixelFormat::kGray8, kTen, cancel).ok());
  freer.join();
  EXPECT_EQ(pool->used_bytes(), 100);
  EXPECT_EQ(pool->peak_bytes(), 200);
}

TEST(FramePoolTest, CancelEndsTheWait) {
  auto pool = FramePool::Create(100);
  CancelToken cancel;
  auto a = pool->Allocate(PixelFormat::kGray8, kTen, cancel);
  std::thread canceller([&] { cancel.Cancel(); });
  EXPECT_EQ(pool->Allocate(PixelFormat::kGray8, kTen, cancel).status().code(), absl::StatusCode::kCancelled);
  canceller.join();
}

TEST(FramePoolTest, PassedDeadlineEndsTheWaitWithoutDeadlock) {
  auto pool = FramePool::Create(100);
  CancelToken cancel;
  auto a = pool->Allocate(PixelFormat::kGray8, kTen, cancel);
  bool called = false;
  CancelToken::Callback callback(cancel, [&] {
    called = true;
    (void)pool->used_bytes();
  });
  cancel.SetDeadline(CancelToken::Clock::now());
  EXPECT_EQ(pool->Allocate(PixelFormat::kGray8, kTen, cancel).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(called);
}

TEST(FramePoolTest, OversizedPictureGoesAloneAndOutlivesThePool) {
  auto pool = FramePool::Create(10);
  auto a = pool->Allocate(PixelFormat::kGray8, kTen, CancelToken());
  ASSERT_TRUE(a.ok());
  pool.reset();
  (*a)->mutable_plane(0)[99] = 1;
}

}  // namespace
}  // namespace reelsight::analysis
