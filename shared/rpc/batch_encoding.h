// SPDX-License-Identifier: Apache-2.0
//
// analysis::Batch <-> analyzer.v1.AnalyzeFramesRequest without copying pixels.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "shared/analysis/frame.h"

namespace reelsight::rpc {

// The wire form of an AnalyzeFramesRequest. Its slices point at the pictures' pixels and keep `batch` alive.
grpc::ByteBuffer EncodeBatch(std::shared_ptr<const analysis::Batch> batch);

// Bytes of the pixels of a batch.
int64_t PixelBytes(const analysis::Batch& batch);

// Rebuilds a batch from its message. Pictures point into `request` and keep it alive. INVALID_ARGUMENT, naming the
// frame, for data that does not fit its description.
absl::StatusOr<analysis::Batch> DecodeBatch(std::shared_ptr<const analyzer::v1::AnalyzeFramesRequest> request);

}  // namespace reelsight::rpc
