// SPDX-License-Identifier: Apache-2.0
//
// What the tests of GenerationEngine share: requests, a plain scheduler, and an engine without a model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shared/generation/generation_engine.h"
#include "shared/testing/fake_generation_engine.h"

namespace reelsight::generation {

using Session = std::shared_ptr<GenerationSession>;

// What a caller got.
struct Caller {
  std::vector<Token> tokens;
  std::vector<GenerationEnd> ends;
};

inline GenerationRequest Ask(std::vector<Token> prompt, int64_t max_new_tokens, Caller* caller = nullptr) {
  GenerationRequest request;
  request.prompt.push_back({.tokens = std::move(prompt)});
  request.max_new_tokens = max_new_tokens;
  if (caller == nullptr) return request;
  request.on_token = [caller](Token token) { caller->tokens.push_back(token); };
  request.on_end = [caller](const GenerationEnd& end) { caller->ends.push_back(end); };
  return request;
}

inline std::vector<Token> Count(int64_t tokens, Token first = 1) {
  std::vector<Token> prompt;
  for (int64_t i = 0; i < tokens; ++i) prompt.push_back(first + static_cast<Token>(i));
  return prompt;
}

inline std::vector<Token> Expected(const GenerationRequest& request, int64_t count) {
  return testing::FakeGenerationEngine::Expected(request.prompt, request.sampling, count);
}

inline StepPlan PlanAll(const std::vector<Session>& sessions) {
  StepPlan plan;
  for (const Session& session : sessions) plan.items.push_back({session, session->pending_tokens()});
  return plan;
}

// Far more than any test needs.
inline constexpr int kMostAttempts = 10'000;

// A scheduler as plain as can be: those that write go first, then pieces of prompts in the order of coming, within the
// step's budget; whoever came last is preempted where memory does not suffice. Returns how often that was.
inline int RunToTheEnd(GenerationEngine& engine, std::deque<Session> sessions) {
  const Capacity capacity = engine.capacity();
  int preemptions = 0;
  for (int attempts = 0; attempts < kMostAttempts; ++attempts) {
    std::erase_if(sessions, [](const Session& session) { return session->EndIfOver(); });
    if (sessions.empty()) return preemptions;
    StepPlan plan;
    int64_t budget = capacity.max_step_tokens;
    for (const bool writing : {true, false}) {
      for (const Session& session : sessions) {
        if ((session->pending_tokens() == 1) != writing || budget == 0) continue;
        if (static_cast<int>(plan.items.size()) == capacity.max_step_sessions) break;
        plan.items.push_back({session, std::min(budget, session->pending_tokens())});
        budget -= plan.items.back().token_count;
      }
    }
    absl::StatusOr<StepOutput> output = engine.Step(plan);
    for (; absl::IsResourceExhausted(output.status()) && attempts < kMostAttempts; ++attempts) {
      const auto victim = std::find_if(sessions.rbegin(), sessions.rend(),
                                       [](const Session& session) { return session->computed_tokens() > 0; });
      if (victim != sessions.rend()) {
        (*victim)->Preempt();
        ++preemptions;
        std::erase_if(plan.items, [&](const StepItem& item) { return item.session == *victim; });
      }
      if (victim == sessions.rend() || plan.items.empty()) plan.items = {{sessions[0], 1}};
      output = engine.Step(plan);
    }
    if (!output.ok()) return preemptions;
  }
  ADD_FAILURE() << "it gets nowhere";
  return preemptions;
}

class GenerationEngineTest : public ::testing::Test {
 protected:
  static Capacity Ample() {
    return {.max_context_tokens = 200,
            .max_step_tokens = 64,
            .max_step_sessions = 8,
            .max_sessions = 16,
            .block_tokens = 4,
            .total_blocks = 100};
  }
  static Session Create(GenerationEngine& engine, GenerationRequest request) {
    auto session = engine.CreateSession(std::move(request));
    EXPECT_TRUE(session.ok()) << session.status();
    return *std::move(session);
  }

  testing::FakeGenerationEngine engine_{Ample()};
};

}  // namespace reelsight::generation
