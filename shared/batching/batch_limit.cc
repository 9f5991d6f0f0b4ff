// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/batch_limit.h"

#include <algorithm>

namespace reelsight::batching {
namespace {

constexpr int kQuickBatchesToRaise = 4;
constexpr int kLongestProbeInterval = 1 << 16;

BatchLimit::Options Checked(BatchLimit::Options options) {
  options.max_items = std::max(1, options.max_items);
  options.start_items = std::clamp(options.start_items, 1, options.max_items);
  options.good_batches_to_probe = std::max(1, options.good_batches_to_probe);
  return options;
}

}  // namespace

BatchLimit::BatchLimit(const Options& options)
    : options_(Checked(options)),
      by_memory_(options_.start_items),
      by_time_(options_.target_duration > Duration::zero() ? options_.start_items : options_.max_items),
      good_batches_to_probe_(options_.good_batches_to_probe) {}

int BatchLimit::items() const { return std::min(by_memory_, by_time_); }

void BatchLimit::Succeeded(int items, Duration duration) {
  LearnMemory(items);
  LearnTime(items, duration);
}

void BatchLimit::RanOutOfMemory(int items) {
  if (items <= 1) return;
  good_batches_ = 0;
  if (probing_ && items == by_memory_) {
    by_memory_ = items - 1;
    good_batches_to_probe_ = std::min(good_batches_to_probe_ * 2, kLongestProbeInterval);
  } else {
    by_memory_ = std::min(by_memory_, items / 2);
  }
  probing_ = false;
}

void BatchLimit::LearnMemory(int items) {
  if (items < by_memory_) return;
  probing_ = false;
  if (by_memory_ >= options_.max_items || ++good_batches_ < good_batches_to_probe_) return;
  good_batches_ = 0;
  ++by_memory_;
  probing_ = true;
}

void BatchLimit::LearnTime(int items, Duration duration) {
  const double target = std::chrono::duration<double>(options_.target_duration).count();
  const double took = std::chrono::duration<double>(duration).count();
  if (target <= 0 || items < 1) return;
  if (took > target) {
    quick_batches_ = 0;
    const int lower = std::max({1, items / 2, static_cast<int>(items * target / took)});
    by_time_ = std::min(by_time_, lower);
    return;
  }
  if (items < by_time_ || by_time_ >= options_.max_items) return;
  const int step = std::min(std::max(1, by_time_ / 8), options_.max_items - by_time_);
  // A tenth of room, so that the limit does not swing around its target.
  const bool room = took * (items + step) / items <= 0.9 * target;
  quick_batches_ = room ? quick_batches_ + 1 : 0;
  if (quick_batches_ < kQuickBatchesToRaise) return;
  quick_batches_ = 0;
  by_time_ += step;
}

}  // namespace reelsight::batching
