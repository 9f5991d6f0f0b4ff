// SPDX-License-Identifier: Apache-2.0
//
// How many items may go into one batch, learnt from what batches did. It runs nothing: see dynamic_batcher.h.
#pragma once

#include <chrono>

namespace reelsight::batching {

// The limit is the smaller of two, each from 1 to `max_items`:
// - by memory: a batch that ran out of memory halves it. After `good_batches_to_probe` full batches it tries one more;
//   if that runs out of memory, it goes back by one, and waits twice as long before the next try.
// - by time (if `target_duration` is set): a batch that took longer lowers it in proportion, at most to a half at once,
//   because a first run is often slow; four full batches in a row that leave room raise it by an eighth.
// Only batches of as many items as the limit are evidence for raising it. Not thread-safe.
class BatchLimit {
 public:
  using Duration = std::chrono::steady_clock::duration;

  struct Options {
    // Where both limits start.
    int start_items = 8;
    // Most items ever. Raising it above `start_items` lets the limit grow, and memory and latency with it.
    int max_items = 8;
    // Longest time that a batch should run; zero: any.
    Duration target_duration = Duration::zero();
    // Full batches without an error before one more item is tried. Lowering it finds room sooner and runs out of memory
    // more often.
    int good_batches_to_probe = 64;
  };

  explicit BatchLimit(const Options& options);

  int items() const;

  // A batch of `items` ran well, in `duration`.
  void Succeeded(int items, Duration duration);
  // A batch of `items` ran out of memory. A batch of one changes nothing: it cannot be made smaller.
  void RanOutOfMemory(int items);

 private:
  void LearnTime(int items, Duration duration);
  void LearnMemory(int items);

  const Options options_;
  int by_memory_;
  int by_time_;
  // Full batches since the limit changed.
  int good_batches_ = 0;
  int good_batches_to_probe_;
  // True while by_memory_ is a try that no batch has confirmed.
  bool probing_ = false;
  int quick_batches_ = 0;
};

}  // namespace reelsight::batching
