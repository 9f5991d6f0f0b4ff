// SPDX-License-Identifier: Apache-2.0
//
// With how many items an analyzer's batches start, before BatchLimit has learnt better. These are batches of a model,
// not of messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reelsight::batching {

enum class BatchProfile {
  kDefault,
  // As the reference system: camera_analysis, which its table lacks, has its general 8.
  kReference,
};

// The table's size for an analyzer, by wire name, where memory is ample; nullopt for one that it lacks.
std::optional<int> TableBatch(std::string_view analyzer, BatchProfile profile = BatchProfile::kDefault);

// TableBatch, or 8 for an analyzer that it lacks, scaled by the free memory of the slice: a quarter under 8,000 MB, a
// half under 16,000 MB, at least 1. MB are of 2^20 bytes, as the tools of GPU makers print them. qwen2_vl_optimized: 3
// from 16,000 MB on, 1 below.
int StartBatch(std::string_view analyzer, int64_t free_bytes, BatchProfile profile = BatchProfile::kDefault);

}  // namespace reelsight::batching
