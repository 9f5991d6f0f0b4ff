// SPDX-License-Identifier: Apache-2.0
//
// Which runs start, which wait and at what place, which are refused. It neither knows what a run does nor has threads:
// it says what starts, and is told what ended.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "absl/status/status.h"
#include "orchestrator/run.h"
#include "shared/base/mutex.h"
#include "shared/base/stopwatch.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// A run that was not refused.
struct AdmittedRun {
  std::shared_ptr<Run> run;
  Stopwatch since_admission;
};

// Thread-safe. Oldest first. REQUIRES: when it is destroyed, every run that it started has ended.
class RunQueue {
 public:
  struct Options {
    // Runs under way at once, at least 1.
    int max_running = 1;
    // Runs that wait. Raising it makes callers wait who would have gone to another replica.
    int max_waiting = 0;
  };
  using RunFunction = std::function<void(AdmittedRun)>;

  // `start` gets each run whose turn has come, which counts as under way until StartNext; `leave` each that waited and
  // whose callers have all gone. Both are called on the thread of whoever caused it, without a lock. `metrics` may be
  // null; else it must outlive the queue.
  RunQueue(const Options& options, RunFunction start, RunFunction leave, telemetry::Metrics* metrics);

  // Starts the run, or has it wait, told of its place whenever that changes. UNAVAILABLE, SERVER_DRAINING, or
  // RESOURCE_EXHAUSTED, SERVER_BUSY, with a retry delay, if it is refused; then nothing of it is kept.
  absl::Status Admit(const std::shared_ptr<Run>& run);
  // A run that was started is over: whoever waits longest starts in its place.
  void StartNext();

  // Refuses runs from now on. Those that wait, and those under way, go on.
  void BeginDrain();
  // Runs that wait or are under way.
  int active_runs() const;

 private:
  struct Waiting {
    AdmittedRun admitted;
    // Takes the run out when its callers have gone.
    std::unique_ptr<CancelToken::Callback> link;
    // The place that its callers know.
    int told_place = 0;
  };

  // Takes the run out if it still waits.
  void DropRun(const Run* run);
  // Tells those whose place has changed.
  void TellPlaces() ABSL_EXCLUSIVE_LOCKS_REQUIRED(places_mutex_);
  void UpdateGauges() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const Options options_;
  const RunFunction start_;
  const RunFunction leave_;
  telemetry::Metrics* const metrics_;

  // Held while places are told and while a run leaves the queue to start, so that none hears of its place too late.
  // Lock order: places_mutex_, then mutex_, or the mutexes of callers and runs (run.h). No run is called under mutex_.
  Mutex places_mutex_;
  mutable Mutex mutex_;

  // Guarded by mutex_.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // Oldest first.
  std::list<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace reelsight::orchestrator
