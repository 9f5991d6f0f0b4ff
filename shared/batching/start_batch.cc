// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/start_batch.h"

#include <algorithm>

namespace reelsight::batching {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;
constexpr int64_t kQuarterBelow = 8000 * kMegabyte;
constexpr int64_t kHalfBelow = 16000 * kMegabyte;

}  // namespace

int StartBatch(int items, int64_t free_bytes) {
  const int parts = free_bytes < kQuarterBelow ? 4 : free_bytes < kHalfBelow ? 2 : 1;
  return std::max(1, items / parts);
}

}  // namespace reelsight::batching
