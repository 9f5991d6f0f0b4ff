// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/deadline.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// Longer than any call; gRPC's own sums overflow somewhere beyond.
constexpr std::chrono::hours kLongest{24 * 365};

}  // namespace

gpr_timespec ToGrpcDeadline(Clock::time_point deadline) {
  const Clock::time_point now = Clock::now();
  if (deadline > now + kLongest) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const std::chrono::nanoseconds left = deadline - now;
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
}

Clock::time_point FromGrpcDeadline(gpr_timespec deadline) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return Clock::time_point::max();
  // What comes over the network is on this clock already.
  const gpr_timespec monotonic = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC);
  const gpr_timespec left = gpr_time_sub(monotonic, gpr_now(GPR_CLOCK_MONOTONIC));
  if (left.tv_sec > std::chrono::seconds(kLongest).count()) return Clock::time_point::max();
  return Clock::now() + std::chrono::seconds(left.tv_sec) + std::chrono::nanoseconds(left.tv_nsec);
}

}  // namespace reelsight::rpc
