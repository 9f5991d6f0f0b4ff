// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/fake_generation_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace reelsight::testing {
namespace {

using generation::PromptPart;
using generation::Sampling;
using generation::Token;

// The prompt, each token of media as a negative number that follows from its key and its place.
std::vector<Token> Flatten(const std::vector<PromptPart>& prompt) {
  std::vector<Token> tokens;
  for (const PromptPart& part : prompt) {
    tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
    if (part.media == nullptr) continue;
    Token token = -1;
    for (const char c : part.media->content_key()) token = -((-token * 31 + c) % 100'003) - 1;
    for (int64_t i = 0; i < part.media->token_count(); ++i) tokens.push_back(token - static_cast<Token>(i));
  }
  return tokens;
}

Token NextToken(std::span<const Token> context, const Sampling& sampling) {
  uint64_t hash = 1469598103934665603U ^ sampling.seed;
  for (const Token token : context) hash = (hash ^ static_cast<uint32_t>(token)) * 1099511628211U;
  return static_cast<Token>((hash >> 20) % 1000);
}

}  // namespace

// Tokens that the engine has computed, and as many blocks of the pool as they need.
class FakeGenerationEngine::Blocks final : public generation::GenerationSession::Memory {
 public:
  explicit Blocks(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  ~Blocks() override {
    const MutexLock lock(pool_->mutex);
    pool_->free_blocks += blocks;
  }
  std::vector<Token> held;
  int64_t blocks = 0;

 private:
  const std::shared_ptr<Pool> pool_;
};

FakeGenerationEngine::FakeGenerationEngine(generation::Capacity capacity)
    : GenerationEngine(capacity), block_tokens_(capacity.block_tokens) {
  const MutexLock lock(pool_->mutex);
  pool_->free_blocks = capacity.total_blocks;
}

std::vector<Token> FakeGenerationEngine::Expected(const std::vector<PromptPart>& prompt, const Sampling& sampling,
                                                  int64_t count) {
  std::vector<Token> context = Flatten(prompt);
  const auto prompt_tokens = static_cast<std::ptrdiff_t>(context.size());
  for (int64_t i = 0; i < count; ++i) context.push_back(NextToken(context, sampling));
  return {context.begin() + prompt_tokens, context.end()};
}

void FakeGenerationEngine::PoisonAt(const std::string& client, int64_t context_tokens, absl::Status status) {
  poison_[client] = {context_tokens, std::move(status)};
}

int64_t FakeGenerationEngine::free_blocks() const {
  const MutexLock lock(pool_->mutex);
  return pool_->free_blocks;
}

absl::StatusOr<std::vector<generation::GenerationEngine::Turn>> FakeGenerationEngine::RunTurns(
    std::span<const TurnItem> items) {
  ++steps_;
  if (!fail_next_step_.ok()) return std::exchange(fail_next_step_, absl::OkStatus());
  std::vector<int64_t> wanted;
  int64_t all_wanted = 0;
  for (const TurnItem& item : items) {
    const auto* const blocks = static_cast<const Blocks*>(item.memory->get());
    const int64_t tokens = item.session->computed_tokens() + item.token_count + tokens_at_once_ - 1;
    wanted.push_back((tokens + block_tokens_ - 1) / block_tokens_ - (blocks == nullptr ? 0 : blocks->blocks));
    all_wanted += wanted.back();
  }
  {
    const MutexLock lock(pool_->mutex);
    if (all_wanted > pool_->free_blocks) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a step needs ", all_wanted, " blocks more, of ", pool_->free_blocks, " free"));
    }
    pool_->free_blocks -= all_wanted;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (*items[i].memory == nullptr) *items[i].memory = std::make_unique<Blocks>(pool_);
    static_cast<Blocks*>(items[i].memory->get())->blocks += wanted[i];
  }
  std::vector<Turn> turns;
  for (const TurnItem& item : items) turns.push_back(RunTurn(item));
  if (lose_a_turn_) turns.pop_back();
  if (on_step_) on_step_();
  return turns;
}

generation::GenerationEngine::Turn FakeGenerationEngine::RunTurn(const TurnItem& item) {
  const generation::GenerationSession& session = *item.session;
  auto& blocks = static_cast<Blocks&>(**item.memory);
  if (static_cast<int64_t>(blocks.held.size()) != session.computed_tokens()) {
    return {.status = absl::InternalError("the memory is not what was computed")};
  }
  if (const auto poison = poison_.find(session.request().client);
      poison != poison_.end() && session.context_tokens() >= poison->second.first) {
    return {.status = poison->second.second};
  }
  if (!MediaIsReady(item)) return {};
  std::vector<Token> context = Flatten(session.request().prompt);
  context.insert(context.end(), session.generated().begin(), session.generated().end());
  const auto first = context.begin() + static_cast<std::ptrdiff_t>(blocks.held.size());
  blocks.held.insert(blocks.held.end(), first, first + item.token_count);
  Turn turn{.computed_tokens = item.token_count};
  if (item.token_count < session.pending_tokens()) return turn;
  while (true) {
    turn.tokens.push_back(NextToken(blocks.held, session.request().sampling));
    if (static_cast<int>(turn.tokens.size()) == tokens_at_once_) return turn;
    blocks.held.push_back(turn.tokens.back());
  }
}

bool FakeGenerationEngine::MediaIsReady(const TurnItem& item) {
  int64_t begin = 0;
  const int64_t first = item.session->computed_tokens(), last = first + item.token_count;
  for (const PromptPart& part : item.session->request().prompt) {
    const int64_t end =
        begin + static_cast<int64_t>(part.tokens.size()) + (part.media == nullptr ? 0 : part.media->token_count());
    if (part.media != nullptr && begin < last && end > first) {
      int& turns = media_turns_[part.media->content_key()];
      if (turns > 0) {
        --turns;
        return false;
      }
    }
    begin = end;
  }
  return true;
}

}  // namespace reelsight::testing
