// SPDX-License-Identifier: Apache-2.0
//
// What the calls of one run took: attempts made again, and bytes sent.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "shared/analysis/frame.h"
#include "shared/base/mutex.h"

namespace reelsight::orchestrator {

// Thread-safe.
class AttemptLog {
 public:
  void AddSent(int64_t bytes) { sent_bytes_ += bytes; }
  // `batch` is sent again.
  void AddRetry(const analysis::Batch& batch);

  // Bytes of pictures sent to other processes, retries included.
  int64_t sent_bytes() const { return sent_bytes_; }
  // Batches with work for the analyzer that were sent again.
  int64_t retries(const std::string& analyzer) const;

 private:
  std::atomic<int64_t> sent_bytes_ = 0;
  mutable Mutex mutex_;
  std::map<std::string, int64_t> retries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::orchestrator
