// SPDX-License-Identifier: Apache-2.0
//
// One generation under way: its context, how much of it the engine has computed, and its end. It computes nothing, see
// generation_engine.h, and decides nothing about whose turn it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "shared/generation/generation_request.h"

namespace reelsight::generation {

class GenerationEngine;

// The context is the prompt and then the tokens generated so far. Of it `computed_tokens` have been through the model;
// the rest is pending. A prompt is pending in whole at first, and computed in one step or in pieces; afterwards the one
// token that came last is. After a preemption the whole context is pending again. There are no other states but the
// end.
//
// Belongs to the thread that steps, but for `request().cancel`, which anybody may use, and for destruction: the last of
// those who hold it may drop it on any thread, at any time. A plan holds its sessions, so that nobody destroys one
// under a running step. Its memory is free when it ends, is preempted or is destroyed, whatever comes first.
class GenerationSession {
 public:
  // What an engine keeps for a session between steps: its keys and values above all. Destroying it frees them; it may
  // be destroyed on any thread, and beside a step for other sessions.
  class Memory {
   public:
    virtual ~Memory() = default;
  };

  ~GenerationSession();
  GenerationSession(const GenerationSession&) = delete;
  GenerationSession& operator=(const GenerationSession&) = delete;

  const GenerationRequest& request() const { return request_; }
  int64_t prompt_tokens() const { return prompt_tokens_; }
  // What was delivered.
  std::span<const Token> generated() const { return generated_; }
  int64_t context_tokens() const { return prompt_tokens_ + static_cast<int64_t>(generated_.size()); }
  int64_t computed_tokens() const { return computed_tokens_; }
  // At least 1 until the end.
  int64_t pending_tokens() const { return context_tokens() - computed_tokens_; }
  // Empty as long as more may come.
  const std::optional<GenerationEnd>& end() const { return end_; }

  // Frees its memory at once; what was computed is pending again, and the tokens stay as they are. Does nothing after
  // the end.
  void Preempt();
  // Ends it if its request was cancelled or its deadline has passed; a step does so too. True if it has ended, now or
  // before. For sessions that wait and are in no plan.
  bool EndIfOver();

 private:
  friend class GenerationEngine;
  // What the model made of one turn.
  struct Turn {
    // Anything but OK poisons the session.
    absl::Status status;
    int64_t computed_tokens = 0;
    std::vector<Token> tokens;
  };

  GenerationSession(const GenerationEngine& engine, GenerationRequest request, int64_t prompt_tokens,
                    int64_t max_context_tokens, std::shared_ptr<std::atomic<int>> live);
  // Takes in what came of a turn of `token_count` tokens, delivers it, and ends if that was the last.
  void Accept(int64_t token_count, const Turn& turn);
  void AcceptToken(Token token);
  // Frees the memory, then tells. The first end stays.
  void End(GenerationEnd end);

  const GenerationEngine* const engine_;
  const GenerationRequest request_;
  const int64_t prompt_tokens_;
  const int64_t max_context_tokens_;
  // Counts the sessions of the engine.
  const std::shared_ptr<std::atomic<int>> live_;

  std::vector<Token> generated_;
  int64_t computed_tokens_ = 0;
  std::optional<GenerationEnd> end_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace reelsight::generation
