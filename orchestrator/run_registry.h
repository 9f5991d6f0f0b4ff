// SPDX-License-Identifier: Apache-2.0
//
// Runs by request_id: what makes a request idempotent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/run.h"
#include "shared/base/mutex.h"

namespace reelsight::orchestrator {

// Thread-safe.
//
// Lock order: its mutex, then those of its runs, which know nothing of it. Runs, and with them answers and whatever
// callers left behind, are destroyed without it: that may take long, and may come back here.
class RunRegistry {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    // How long an answer is kept after the run's end.
    absl::Duration retention = absl::Minutes(10);
    // Answers kept at most; beyond it the oldest goes. Raising it costs an answer's memory (some 100 KiB) each.
    int max_kept = 256;
    // Memory of all answers kept, in bytes, likewise: an answer on a long video, or of an analyzer of somebody else's,
    // may be large. A server that has nothing to do is larger by so much.
    int64_t max_kept_bytes = 32 << 20;
  };
  RunRegistry(const Options& options, concurrency::Timer& timer) : options_(options), timer_(timer) {}

  struct Found {
    std::shared_ptr<Run> run;
    // True if the caller must start it.
    bool is_new = false;
  };
  // The run of the request's id, or a new one. A run that failed, was cancelled or ran out of time is not found again.
  // ALREADY_EXISTS, REQUEST_ID_REUSED, if the id belongs to a request with another body.
  absl::StatusOr<Found> FindOrCreate(std::shared_ptr<const v1::AnalyzeRequest> request, Clock::time_point now);
  // Drops the answers whose time is over or for which there is no room, as FindOrCreate does too.
  void Sweep(Clock::time_point now);

 private:
  struct Kept {
    std::string fingerprint;
    std::shared_ptr<Run> run;
  };
  using Runs = std::map<std::string, Kept>;
  // Moves those whose time is over, or for which there is no room, to `gone`, to be destroyed without the lock.
  void SweepLocked(Clock::time_point now, std::vector<Runs::node_type>& gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction; the timer synchronises itself.
  const Options options_;
  concurrency::Timer& timer_;

  Mutex mutex_;
  // Guarded by mutex_.
  Runs runs_ ABSL_GUARDED_BY(mutex_);
};

// SHA-256 of the request without its id, in hexadecimal: the same for equal requests in one process.
std::string Fingerprint(const v1::AnalyzeRequest& request);

}  // namespace reelsight::orchestrator
