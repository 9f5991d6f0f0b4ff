// SPDX-License-Identifier: Apache-2.0
//
// Deadlines of gRPC and ours, both on the steady clock. gRPC's C++ types know only the system's clock, and what passes
// through it moves when that clock is set between two of its readings.
#pragma once

#include <chrono>

#include "grpc/support/time.h"

namespace reelsight::rpc {

// For ClientContext::set_deadline and Server::Shutdown. time_point::max(): never.
gpr_timespec ToGrpcDeadline(std::chrono::steady_clock::time_point deadline);
// Of ServerContext::raw_deadline(). time_point::max() if the caller gave none.
std::chrono::steady_clock::time_point FromGrpcDeadline(gpr_timespec deadline);

}  // namespace reelsight::rpc
