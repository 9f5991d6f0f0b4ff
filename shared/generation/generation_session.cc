// SPDX-License-Identifier: Apache-2.0
#include "shared/generation/generation_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::generation {

GenerationSession::GenerationSession(const GenerationEngine& engine, GenerationRequest request, int64_t prompt_tokens,
                                     int64_t max_context_tokens, std::shared_ptr<std::atomic<int>> live)
    : engine_(&engine),
      request_(std::move(request)),
      prompt_tokens_(prompt_tokens),
      max_context_tokens_(max_context_tokens),
      live_(std::move(live)) {}

GenerationSession::~GenerationSession() { --*live_; }

void GenerationSession::Preempt() {
  if (end_.has_value()) return;
  memory_.reset();
  computed_tokens_ = 0;
}

bool GenerationSession::EndIfOver() {
  if (end_.has_value()) return true;
  const absl::Status status = request_.cancel.status();
  if (status.ok()) return false;
  End({absl::IsDeadlineExceeded(status) ? FinishReason::kDeadline : FinishReason::kCancelled, status});
  return true;
}

void GenerationSession::Accept(int64_t token_count, const Turn& turn) {
  if (!turn.status.ok()) return End({FinishReason::kError, turn.status});
  const bool whole = token_count == pending_tokens() && turn.computed_tokens == token_count;
  if (turn.computed_tokens < 0 || turn.computed_tokens > token_count || whole == turn.tokens.empty()) {
    return End({FinishReason::kError,
                MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                          absl::StrCat("an engine computed ", turn.computed_tokens, " of ", token_count, " tokens, ",
                                       pending_tokens(), " pending, and gave ", turn.tokens.size(), " tokens"))});
  }
  if (whole) {
    for (const Token token : turn.tokens) {
      if (EndIfOver()) return;
      AcceptToken(token);
    }
    // All but the last have been through the model, those that an engine guessed ahead too.
    computed_tokens_ = context_tokens() - 1;
  } else {
    computed_tokens_ += turn.computed_tokens;
  }
  EndIfOver();
}

void GenerationSession::AcceptToken(Token token) {
  if (std::find(request_.stop_tokens.begin(), request_.stop_tokens.end(), token) != request_.stop_tokens.end()) {
    return End({FinishReason::kStop, absl::OkStatus()});
  }
  generated_.push_back(token);
  if (request_.on_token) request_.on_token(token);
  if (static_cast<int64_t>(generated_.size()) == request_.max_new_tokens || context_tokens() >= max_context_tokens_) {
    End({FinishReason::kLength, absl::OkStatus()});
  }
}

void GenerationSession::End(GenerationEnd end) {
  if (end_.has_value()) return;
  end_ = std::move(end);
  memory_.reset();
  if (request_.on_end) request_.on_end(*end_);
}

}  // namespace reelsight::generation
