// SPDX-License-Identifier: Apache-2.0
#include "shared/generation/generation_engine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::generation {
namespace {

// INVALID_ARGUMENT if a number is out of range.
absl::Status CheckSampling(const Sampling& sampling) {
  if (!(sampling.temperature >= 0)) return InvalidField("temperature", "must not be negative");
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) return InvalidField("top_p", "must be over 0 and at most 1");
  if (sampling.top_k < 0) return InvalidField("top_k", "must not be negative");
  if (!(sampling.repetition_penalty > 0)) return InvalidField("repetition_penalty", "must be positive");
  return absl::OkStatus();
}

int64_t CountTokens(const std::vector<PromptPart>& prompt) {
  int64_t count = 0;
  for (const PromptPart& part : prompt) {
    count += static_cast<int64_t>(part.tokens.size()) + (part.media == nullptr ? 0 : part.media->token_count());
  }
  return count;
}

}  // namespace

absl::StatusOr<std::shared_ptr<GenerationSession>> GenerationEngine::CreateSession(GenerationRequest request) {
  RETURN_IF_ERROR(status());
  RETURN_IF_ERROR(CheckSampling(request.sampling));
  if (request.max_new_tokens < 1) return InvalidField("max_new_tokens", "must be at least 1");
  const bool mixed = std::any_of(request.prompt.begin(), request.prompt.end(),
                                 [](const PromptPart& part) { return part.media != nullptr && !part.tokens.empty(); });
  if (mixed) return InvalidField("prompt", "a part must be tokens or media, not both");
  const int64_t prompt_tokens = CountTokens(request.prompt);
  if (prompt_tokens < 1) return InvalidField("prompt", "must hold at least one token");
  if (prompt_tokens >= capacity_.max_context_tokens) {
    return InvalidField("prompt", absl::StrCat("has ", prompt_tokens, " tokens; the model's context has ",
                                               capacity_.max_context_tokens, ", one at least for the answer"));
  }
  // The last token that it writes goes through no model any more.
  const int64_t most_tokens = request.max_new_tokens < capacity_.max_context_tokens - prompt_tokens
                                  ? prompt_tokens + request.max_new_tokens - 1
                                  : capacity_.max_context_tokens - 1;
  if (const int64_t blocks = capacity_.BlocksFor(most_tokens); blocks > capacity_.total_blocks) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, Reason::kModelTooLarge,
        absl::StrCat("a prompt of ", prompt_tokens, " tokens and an answer of up to ", request.max_new_tokens, " need ",
                     blocks, " blocks of ", capacity_.block_tokens, " tokens; there are ", capacity_.total_blocks,
                     ": ask for less, or raise the budget"));
  }
  if (++*live_sessions_ > capacity_.max_sessions) {
    --*live_sessions_;
    return MakeError(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                     absl::StrCat("there are ", capacity_.max_sessions, " generations already; try again later"));
  }
  return std::shared_ptr<GenerationSession>(
      new GenerationSession(*this, std::move(request), prompt_tokens, capacity_.max_context_tokens, live_sessions_));
}

absl::Status GenerationEngine::CheckPlan(const StepPlan& plan) const {
  if (plan.items.empty()) return InvalidField("items", "a step must hold at least one session");
  if (static_cast<int64_t>(plan.items.size()) > capacity_.max_step_sessions) {
    return InvalidField("items", absl::StrCat("a step holds at most ", capacity_.max_step_sessions, " sessions"));
  }
  std::set<const GenerationSession*> seen;
  int64_t tokens = 0;
  for (const StepItem& item : plan.items) {
    if (item.session == nullptr || item.session->engine_ != this) {
      return InvalidField("items.session", "must be a session of this engine");
    }
    if (!seen.insert(item.session.get()).second) return InvalidField("items.session", "is there twice");
    if (item.session->end().has_value()) return InvalidField("items.session", "has ended");
    if (item.token_count < 1 || item.token_count > item.session->pending_tokens()) {
      return InvalidField("items.token_count", absl::StrCat("must be 1 to the ", item.session->pending_tokens(),
                                                            " pending, not ", item.token_count));
    }
    tokens += item.token_count;
  }
  if (tokens <= capacity_.max_step_tokens) return absl::OkStatus();
  return InvalidField("items.token_count",
                      absl::StrCat("a step computes at most ", capacity_.max_step_tokens, " tokens, not ", tokens));
}

absl::StatusOr<StepOutput> GenerationEngine::Step(const StepPlan& plan) {
  RETURN_IF_ERROR(status());
  RETURN_IF_ERROR(CheckPlan(plan));
  // A step holds its sessions, whatever callbacks drop.
  const std::vector<StepItem> held = plan.items;
  StepOutput output;
  output.items.resize(held.size());
  std::vector<TurnItem> turns;
  std::vector<size_t> places;
  for (size_t i = 0; i < held.size(); ++i) {
    GenerationSession& session = *held[i].session;
    output.items[i].ended = session.EndIfOver();
    if (output.items[i].ended) continue;
    turns.push_back({&session, &session.memory_, held[i].token_count});
    places.push_back(i);
  }
  if (turns.empty()) return output;
  absl::StatusOr<std::vector<Turn>> results = RunTurns(turns);
  if (absl::IsResourceExhausted(results.status())) return results.status();
  if (results.ok() && results->size() != turns.size()) {
    results = MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                        absl::StrCat("an engine gave ", results->size(), " turns for ", turns.size(), " sessions"));
  }
  if (!results.ok()) {
    {
      const MutexLock lock(mutex_);
      status_ = results.status();
    }
    for (const size_t place : places) held[place].session->End({FinishReason::kError, results.status()});
    return results.status();
  }
  for (size_t i = 0; i < places.size(); ++i) {
    GenerationSession& session = *held[places[i]].session;
    const size_t before = session.generated().size();
    const Turn& turn = (*results)[i];
    session.Accept(turns[i].token_count, turn);
    StepItemOutput& item = output.items[places[i]];
    item.computed_tokens = turn.status.ok() ? turn.computed_tokens : 0;
    item.tokens.assign(session.generated().begin() + static_cast<int64_t>(before), session.generated().end());
    item.ended = session.end().has_value();
  }
  return output;
}

Capacity GenerationEngine::capacity() const {
  Capacity now = capacity_;
  now.free_blocks = free_blocks();
  now.sessions = *live_sessions_;
  return now;
}

absl::Status GenerationEngine::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

}  // namespace reelsight::generation
