// SPDX-License-Identifier: Apache-2.0
//
// Hands the batches of one run to the services, a bounded number at once, and gathers the frame results of each
// analyzer. How a batch gets there, and whether it is tried again, is the business of the ServiceCall.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/fanout/attempt_log.h"
#include "orchestrator/fanout/service_call.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

// What came of one analyzer's frames.
struct FrameOutcome {
  // OK, or why it was given up; it then has no results.
  absl::Status status;
  // Ascending by index once the dispatcher is idle.
  std::vector<analyzer::v1::FrameResult> results;
  int64_t frames_done = 0;
  int64_t batch_count = 0;
  int64_t retry_count = 0;
  int64_t cache_hits = 0;
  int64_t cache_misses = 0;
  absl::Duration batch_time;
};

// Frame outcomes, each as soon as it is complete. Thread-safe.
class FrameOutcomeSource {
 public:
  virtual ~FrameOutcomeSource() = default;

  // `wake` is called, on any thread, when an outcome may have become complete; an empty one ends that.
  virtual void OnComplete(std::function<void()> wake) = 0;
  // The analyzer's outcome if none of its batches is left, else nothing. Its results can be taken once; of an
  // analyzer without batches it is empty. REQUIRES: no more batches come.
  virtual std::optional<FrameOutcome> TakeCompleteOutcome(const std::string& analyzer) = 0;
  // What there is of it, complete or not.
  virtual FrameOutcome TakeOutcome(const std::string& analyzer) = 0;
};

// Thread-safe. An analyzer that failed once is given up: what waits for it is dropped, what is under way for nobody
// else is called off, the others go on. Destroying it does not wait for batches under way; cancel the token first.
class BatchDispatcher final : public FrameOutcomeSource {
 public:
  // `log` is that of `services`. `cancel` stops everything.
  BatchDispatcher(std::vector<ServiceCall> services, std::shared_ptr<const AttemptLog> log, const CancelToken& cancel);
  ~BatchDispatcher() override;

  // Queues a batch; blocks while the service's queue is full. Returns the token's status if it is cancelled.
  absl::Status Submit(int service, std::shared_ptr<const analysis::Batch> batch);
  // Blocks until nothing waits and nothing is under way, or `timeout` has passed; true if idle. Returns the token's
  // status if it is cancelled.
  absl::StatusOr<bool> WaitIdle(absl::Duration timeout);

  // True if the analyzer was given up, so that no more need be prepared for it.
  bool failed(const std::string& analyzer) const;
  // How far each analyzer is, taken or not.
  std::map<std::string, int64_t> frames_done() const;

  void OnComplete(std::function<void()> wake) override;
  std::optional<FrameOutcome> TakeCompleteOutcome(const std::string& analyzer) override;
  FrameOutcome TakeOutcome(const std::string& analyzer) override;

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace reelsight::orchestrator
