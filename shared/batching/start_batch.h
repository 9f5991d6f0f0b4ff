// SPDX-License-Identifier: Apache-2.0
//
// With how many items a model's batches start on a device, before BatchLimit has learnt better.
#pragma once

#include <cstdint>

namespace reelsight::batching {

// `items`, which is right where memory is ample, scaled by the free memory: a quarter under 8,000 MB, a half under
// 16,000 MB, at least 1. MB are of 2^20 bytes, as the tools of GPU makers print them. REQUIRES: items >= 1.
int StartBatch(int items, int64_t free_bytes);

}  // namespace reelsight::batching
