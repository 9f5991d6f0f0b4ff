// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/frame_pool.h"

#include <future>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

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

TEST(FramePoolTest, APictureThatFindsNoMemoryGivesItsBudgetBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(_GLIBCXX_TSAN)
  GTEST_SKIP() << "a sanitizer ends a program that asks for so much";
#endif
  auto pool = FramePool::Create(int64_t{1} << 61);
  const ImageSize more_than_addresses{1 << 30, 1 << 30};
  for (const auto& image : {pool->Allocate(PixelFormat::kGray8, more_than_addresses, CancelToken()),
                            pool->TryAllocate(PixelFormat::kGray8, more_than_addresses)}) {
    EXPECT_EQ(image.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(GetReason(image.status()), "OUT_OF_MEMORY");
    EXPECT_EQ(pool->used_bytes(), 0);
  }
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

TEST(FramePoolTest, PicturesThatOutliveTheObserverAreNotTold) {
  int told = 0;
  auto pool = FramePool::Create(1000, [&](int64_t) { ++told; });
  auto picture = pool->Allocate(PixelFormat::kGray8, kTen, CancelToken());
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(told, 1);
  pool->StopTelling();
  picture->reset();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(pool->used_bytes(), 0);
}

TEST(FramePoolTest, ReservationsTakeTurnsInTheOrderTheyCame) {
  auto pool = FramePool::Create(100);
  const CancelToken cancel;
  auto first = pool->Reserve(80, cancel);
  ASSERT_TRUE(first.ok());
  CancelToken impatient;
  impatient.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(30));
  EXPECT_EQ(pool->Reserve(80, impatient).status().code(), absl::StatusCode::kDeadlineExceeded);
  std::promise<void> large_waits, large_has_it, small_has_it;
  const PauseForTest pause("FramePool::Reserve", [&] { large_waits.set_value(); });
  std::thread large([&] {
    const auto reservation = pool->Reserve(500, cancel);
    large_has_it.set_value();
  });
  large_waits.get_future().wait();
  // It would fit beside the first, but the large one was there before.
  std::thread small([&] {
    const auto reservation = pool->Reserve(10, cancel);
    small_has_it.set_value();
  });
  auto small_ready = small_has_it.get_future();
  EXPECT_EQ(small_ready.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  *first = FramePool::Reservation();
  large_has_it.get_future().wait();
  small_ready.wait();
  large.join();
  small.join();
}

TEST(FramePoolTest, TellsEveryChange) {
  std::vector<int64_t> told;
  auto pool = FramePool::Create(250, [&](int64_t used) { told.push_back(used); });
  {
    const auto a = pool->TryAllocate(PixelFormat::kGray8, kTen);
    const auto b = pool->TryAllocate(PixelFormat::kGray8, kTen);
  }
  EXPECT_EQ(told, (std::vector<int64_t>{100, 200, 100, 0}));
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
