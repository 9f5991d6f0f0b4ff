// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/deadline.h"

#include "gtest/gtest.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

TEST(DeadlineTest, KeepsItsMomentBothWays) {
  for (const int left_ms : {-5000, 0, 250, 3'600'000}) {
    const std::chrono::milliseconds left(left_ms);
    const Clock::time_point before = Clock::now();
    const gpr_timespec raw = ToGrpcDeadline(before + left);
    EXPECT_EQ(raw.clock_type, GPR_CLOCK_MONOTONIC);
    const Clock::time_point back = FromGrpcDeadline(raw);
    // Two readings of two clocks on each way, no more apart than they took.
    const std::chrono::nanoseconds took = Clock::now() - before + std::chrono::microseconds(1);
    EXPECT_LE(back - (before + left), took);
    EXPECT_LE((before + left) - back, took);
  }
}

TEST(DeadlineTest, NeverStaysNever) {
  const gpr_timespec never = ToGrpcDeadline(Clock::time_point::max());
  EXPECT_EQ(gpr_time_cmp(never, gpr_inf_future(GPR_CLOCK_MONOTONIC)), 0);
  EXPECT_EQ(FromGrpcDeadline(never), Clock::time_point::max());
  EXPECT_EQ(FromGrpcDeadline(gpr_inf_future(GPR_CLOCK_REALTIME)), Clock::time_point::max());
  // A caller may send thousands of years.
  gpr_timespec far = gpr_now(GPR_CLOCK_MONOTONIC);
  far.tv_sec += int64_t{1} << 40;
  EXPECT_EQ(FromGrpcDeadline(far), Clock::time_point::max());
  EXPECT_EQ(gpr_time_cmp(ToGrpcDeadline(Clock::now() + std::chrono::hours(24 * 3650)), never), 0);
}

}  // namespace
}  // namespace reelsight::rpc
