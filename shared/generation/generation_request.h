// SPDX-License-Identifier: Apache-2.0
//
// What a caller asks of a model that writes: a prompt, how to choose tokens, when to stop, and where they go. Plain
// data; it knows no tokenizer and no model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "shared/base/cancel_token.h"

namespace reelsight::generation {

// A number of the model's vocabulary.
using Token = int32_t;

// A picture or a video in a prompt, made ready for one model, which alone can read it. Immutable.
class Media {
 public:
  virtual ~Media() = default;

  // Tokens of the context that it takes up, at least 1.
  virtual int64_t token_count() const = 0;
  // Media with equal keys are equal, so that one encoding serves them all; a hash of the content.
  virtual const std::string& content_key() const = 0;
};

// One of the two.
struct PromptPart {
  std::vector<Token> tokens;
  std::shared_ptr<const Media> media;
};

// How the next token is chosen, for one session; others in the same step may choose otherwise.
struct Sampling {
  // Over 0: draws, from a flatter distribution the larger it is. 0: the likeliest token.
  double temperature = 0;
  // Draws among the likeliest tokens that make up this share of the probability, in (0, 1].
  double top_p = 1;
  // Draws among so many of the likeliest; 0: among all.
  int top_k = 0;
  // Over 1: tokens of the context get less likely.
  double repetition_penalty = 1;
  // The draw of a session's n-th token depends on the seed, n and the distribution alone: neither on who else is in the
  // step nor on how often the session was preempted.
  uint64_t seed = 0;
};

enum class FinishReason {
  // A token of `stop_tokens`, which is not delivered.
  kStop,
  // `max_new_tokens`, or the model's context, is used up.
  kLength,
  kCancelled,
  kDeadline,
  // The session is poisoned: what was delivered is right, nothing more comes.
  kError,
};

struct GenerationEnd {
  FinishReason reason = FinishReason::kStop;
  // OK for kStop and kLength; else why.
  absl::Status status;
};

struct GenerationRequest {
  // Names the run, for fairness between runs; may be empty.
  std::string client;
  // Together at least one token.
  std::vector<PromptPart> prompt;
  // At least 1.
  int64_t max_new_tokens = 150;
  // None: stops by length alone.
  std::vector<Token> stop_tokens;
  Sampling sampling;
  // Stops the generation at the next token boundary, by cancelling or by its deadline.
  CancelToken cancel;
  // Called for each token in order, then once for the end, from the thread that steps, without a lock. They must be
  // short, and may cancel, create sessions and drop any; they may not step or preempt. A session that is destroyed
  // before its end calls neither any more. Either may be empty.
  std::function<void(Token)> on_token;
  std::function<void(const GenerationEnd&)> on_end;
};

}  // namespace reelsight::generation
