// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/start_batch.h"

#include <algorithm>

namespace reelsight::batching {
namespace {

constexpr int kGeneralBatch = 8;
constexpr int64_t kMegabyte = int64_t{1} << 20;
constexpr int64_t kQuarterBelow = 8000 * kMegabyte;
constexpr int64_t kHalfBelow = 16000 * kMegabyte;

struct Row {
  std::string_view analyzer;
  int items;
};
constexpr Row kTable[] = {
    {"qwen2_vl_temporal", 1},   {"qwen2_vl_optimized", 3}, {"object_detection", 64},       {"body_pose", 16},
    {"eye_tracking", 16},       {"text_overlay", 16},      {"background_segmentation", 8}, {"color_analysis", 32},
    {"scene_segmentation", 32}, {"cut_analysis", 32},      {"camera_analysis", 32},
};

}  // namespace

std::optional<int> TableBatch(std::string_view analyzer, BatchProfile profile) {
  if (profile == BatchProfile::kReference && analyzer == "camera_analysis") return kGeneralBatch;
  for (const Row& row : kTable) {
    if (row.analyzer == analyzer) return row.items;
  }
  return std::nullopt;
}

int StartBatch(std::string_view analyzer, int64_t free_bytes, BatchProfile profile) {
  const int items = TableBatch(analyzer, profile).value_or(kGeneralBatch);
  const int parts = free_bytes < kQuarterBelow ? 4 : free_bytes < kHalfBelow ? 2 : 1;
  return std::max(1, items / parts);
}

}  // namespace reelsight::batching
