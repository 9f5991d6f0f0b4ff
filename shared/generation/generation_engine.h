// SPDX-License-Identifier: Apache-2.0
//
// What runs a model that writes token by token. Stands beside inference::Engine, which keeps nothing between two runs:
// a generation engine holds immutable weights, a GenerationSession what one generation has computed so far. It takes
// one step for many sessions at once; which sessions, and how much of each, is a scheduler's to plan, by plain data in
// and out, so that a scheduler is tested without a model and a model without a scheduler.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/mutex.h"
#include "shared/generation/generation_request.h"
#include "shared/generation/generation_session.h"

namespace reelsight::generation {

// What an engine can take, for admission. Memory for keys and values comes in blocks, of which a session holds as many
// as its computed tokens need, fewer only where sessions share a beginning.
struct Capacity {
  // Constant.
  int64_t max_context_tokens = 0;
  int64_t max_step_tokens = 0;
  int max_step_sessions = 0;
  int max_sessions = 0;
  int64_t block_tokens = 1;
  int64_t total_blocks = 0;
  // As of now. A session counts from its creation to its destruction.
  int64_t free_blocks = 0;
  int sessions = 0;

  int64_t BlocksFor(int64_t tokens) const { return (tokens + block_tokens - 1) / block_tokens; }
};

// One step: each session once, with how many of its pending tokens the step is to compute. All of them: the step ends
// with a new token; fewer: a piece of a long prompt. Sessions with one pending token and with a thousand go together.
struct StepItem {
  std::shared_ptr<GenerationSession> session;
  int64_t token_count = 0;
};
struct StepPlan {
  std::vector<StepItem> items;
};

// What came of a step, for each item of its plan, in order.
struct StepItemOutput {
  // At most as planned; fewer, even 0, where the engine spent the step on the media of the prompt. It gets on: a
  // session that is planned again and again ends.
  int64_t computed_tokens = 0;
  // Delivered by this step: none, one, or several from an engine that guesses ahead.
  std::vector<Token> tokens;
  // Set if the session ended in this step. Its memory is free.
  bool ended = false;
};
struct StepOutput {
  std::vector<StepItemOutput> items;
};

// Step and GenerationSession::Preempt are for one thread at a time, the runner's; all else is thread-safe. Must outlive
// its sessions. What an error leaves:
//
//   error of                                 its sessions                       the engine
//   CreateSession                            there is none                      unchanged
//   Step, INVALID_ARGUMENT: a wrong plan     unchanged                          unchanged
//   Step, RESOURCE_EXHAUSTED: no memory      unchanged, but for those over      unchanged
//   Step OK, a session ended with kError     that one is poisoned               unchanged
//   Step, any other                          all of the plan are poisoned       poisoned for good, see status()
//
// "Over" are sessions whose request was cancelled or whose deadline has passed: a step ends them first and computes
// nothing for them. A poisoned session has ended: its memory is free, and no plan may name it again. After
// RESOURCE_EXHAUSTED the scheduler preempts somebody, or plans less. It always gets through: CreateSession refuses what
// could not end even if it were alone.
class GenerationEngine {
 public:
  virtual ~GenerationEngine() = default;
  GenerationEngine(const GenerationEngine&) = delete;
  GenerationEngine& operator=(const GenerationEngine&) = delete;

  // Takes no memory for keys and values; steps do. INVALID_ARGUMENT, INVALID_FIELD, if the request is out of range or
  // its prompt leaves no room in the context; RESOURCE_EXHAUSTED with QUEUE_FULL if there are `max_sessions`, with
  // MODEL_TOO_LARGE if all blocks together were too few for it; status() if the engine is poisoned.
  absl::StatusOr<std::shared_ptr<GenerationSession>> CreateSession(GenerationRequest request);

  // One pass of the model over all items of the plan, on the caller's thread. Blocks for the time of a step, which
  // `max_step_tokens` bounds. Delivers tokens and ends by the requests' callbacks before it returns. A request that is
  // cancelled while the step runs gets none of its tokens.
  absl::StatusOr<StepOutput> Step(const StepPlan& plan);

  Capacity capacity() const;
  // OK, or what poisoned the engine.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);

 protected:
  using Memory = GenerationSession::Memory;
  using Turn = GenerationSession::Turn;
  // A session's turn in a step, as the model sees it.
  struct TurnItem {
    const GenerationSession* session = nullptr;
    // What the engine put there in the session's last turn; empty in its first and after a preemption. All that must
    // survive a preemption follows from the request and the tokens.
    std::unique_ptr<Memory>* memory = nullptr;
    int64_t token_count = 0;
  };

  // The constant part of `capacity`; its rest is not looked at.
  explicit GenerationEngine(Capacity capacity) : capacity_(capacity) {}

  // Runs the model: a turn for each item, in order, with a token or several exactly where all that is pending was
  // computed. The status of a turn poisons its session alone: NaN logits, for instance. RESOURCE_EXHAUSTED, all as
  // before, if memory does not suffice for all items; any other error poisons the engine.
  virtual absl::StatusOr<std::vector<Turn>> RunTurns(std::span<const TurnItem> items) = 0;
  // Thread-safe.
  virtual int64_t free_blocks() const = 0;

 private:
  absl::Status CheckPlan(const StepPlan& plan) const;

  const Capacity capacity_;
  const std::shared_ptr<std::atomic<int>> live_sessions_ = std::make_shared<std::atomic<int>>(0);

  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::generation
