// SPDX-License-Identifier: Apache-2.0
//
// absl::Status <-> gRPC. The only place where the two meet: codes, google.rpc.ErrorInfo (domain `reelsight`, reason,
// metadata), RetryInfo and BadRequest.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace reelsight::rpc {

// The domain of our reasons in google.rpc.ErrorInfo.
inline constexpr char kErrorDomain[] = "reelsight";

// Reason, metadata and retry delay travel in `grpc-status-details-bin`; INVALID_FIELD also as a BadRequest with the
// field's path. A message is cut at 4 KiB, because it travels in a header.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The reverse. A peer without details gives the plain code and message.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace reelsight::rpc
