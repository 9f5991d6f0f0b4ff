// SPDX-License-Identifier: Apache-2.0
//
// A generation engine without a model, for tests of what drives one. It is in no product.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shared/base/mutex.h"
#include "shared/generation/generation_engine.h"

namespace reelsight::testing {

// The next token follows from the tokens that the session's memory really holds and from its sampling, so that a wrong
// piece of a prompt, a stale block or a neighbour's memory gives other tokens. Blocks are counted exactly, and none is
// shared.
class FakeGenerationEngine final : public generation::GenerationEngine {
 public:
  explicit FakeGenerationEngine(generation::Capacity capacity);

  // What it writes after a context, worked out apart from any engine: `count` tokens in [0, 1000).
  static std::vector<generation::Token> Expected(const std::vector<generation::PromptPart>& prompt,
                                                 const generation::Sampling& sampling, int64_t count);

  // The next step fails as a whole with this, once.
  void FailNextStep(absl::Status status) { fail_next_step_ = std::move(status); }
  // From a context of so many tokens on, turns of this client's sessions fail.
  void PoisonAt(const std::string& client, int64_t context_tokens, absl::Status status);
  // Runs in the middle of each step, when all has been computed and nothing delivered.
  void OnStep(std::function<void()> hook) { on_step_ = std::move(hook); }
  // Media of this key takes so many turns before its tokens are computed.
  void MediaTakes(const std::string& key, int turns) { media_turns_[key] = turns; }
  // So many tokens at once where that many are left, as an engine that guesses ahead.
  void GuessAhead(int tokens) { tokens_at_once_ = tokens; }
  // Gives one turn too few, as a broken engine.
  void LoseATurn() { lose_a_turn_ = true; }

  int steps() const { return steps_; }

 private:
  struct Pool {
    Mutex mutex;
    int64_t free_blocks ABSL_GUARDED_BY(mutex) = 0;
  };
  class Blocks;

  absl::StatusOr<std::vector<Turn>> RunTurns(std::span<const TurnItem> items) override;
  int64_t free_blocks() const override;
  Turn RunTurn(const TurnItem& item);
  // False while media that the turn touches is being looked at.
  bool MediaIsReady(const TurnItem& item);

  const int64_t block_tokens_;
  const std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
  absl::Status fail_next_step_;
  std::map<std::string, std::pair<int64_t, absl::Status>> poison_;
  std::function<void()> on_step_;
  std::map<std::string, int> media_turns_;
  int tokens_at_once_ = 1;
  bool lose_a_turn_ = false;
  int steps_ = 0;
};

// Media of a key and a size.
class FakeMedia final : public generation::Media {
 public:
  FakeMedia(std::string key, int64_t token_count) : key_(std::move(key)), token_count_(token_count) {}
  int64_t token_count() const override { return token_count_; }
  const std::string& content_key() const override { return key_; }

 private:
  const std::string key_;
  const int64_t token_count_;
};

}  // namespace reelsight::testing
