// SPDX-License-Identifier: Apache-2.0
//
// Attempts, deadlines and budgets, with a client that answers as it is told. It runs under ThreadSanitizer too.
#include "orchestrator/fanout/retrying_client.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/fanout/service_call.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::HasSubstr;
using BatchAnswer = absl::StatusOr<analyzer::v1::AnalyzeFramesResponse>;
using SummaryAnswer = absl::StatusOr<analyzer::v1::SummarizeResponse>;

// Answers attempt number n, from 1, by `answer`.
class AnsweringClient final : public analysis::AnalyzerClient {
 public:
  using Answer = std::function<absl::Status(int attempt, const CancelToken& cancel)>;
  explicit AnsweringClient(Answer answer) : answer_(std::move(answer)) {}

  void Describe(const CancelToken& cancel, DescribeCallback done) override {
    const absl::Status status = answer_(++attempts_, cancel);
    if (!status.ok()) return done(status);
    done(analyzer::v1::DescribeResponse());
  }
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch>, const CancelToken& cancel, BatchCallback done) override {
    const absl::Status status = answer_(++attempts_, cancel);
    if (!status.ok()) return done(status);
    done(analyzer::v1::AnalyzeFramesResponse());
  }
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest>, const CancelToken& cancel,
                 SummarizeCallback done) override {
    const absl::Status status = answer_(++attempts_, cancel);
    if (!status.ok()) return done(status);
    done(analyzer::v1::SummarizeResponse());
  }

  int attempts() const { return attempts_; }

 private:
  const Answer answer_;
  std::atomic<int> attempts_ = 0;
};

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

class RetryingClientTest : public ::testing::Test {
 protected:
  void Use(AnsweringClient::Answer answer, RetryingClient::Options options) {
    next_ = std::make_shared<AnsweringClient>(std::move(answer));
    options.service = "peer";
    client_ = std::make_unique<RetryingClient>(next_, std::move(options), TestTimer(), nullptr, log_);
  }

  // Waits for the answer to one batch with work for analyzer "a".
  absl::Status Analyze() {
    auto batch = std::make_shared<analysis::Batch>();
    batch->work.push_back({.analyzer = "a", .options = {}, .target_indexes = {0}, .context_indexes = {}});
    return Wait([&](auto done) {
      client_->AnalyzeFrames(batch, cancel_, [done](BatchAnswer answer) { done(answer.status()); });
    });
  }
  absl::Status Summarize() {
    const auto request = std::make_shared<analyzer::v1::SummarizeRequest>();
    return Wait([&](auto done) {
      client_->Summarize(request, cancel_, [done](SummaryAnswer answer) { done(answer.status()); });
    });
  }

  absl::Status Wait(const std::function<void(std::function<void(absl::Status)>)>& call) {
    struct Answered {
      Mutex mutex;
      CondVar changed;
      std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);
    };
    const auto answered = std::make_shared<Answered>();
    call([answered](absl::Status status) {
      MutexLock lock(answered->mutex);
      answered->status = std::move(status);
      answered->changed.NotifyAll();
    });
    MutexLock lock(answered->mutex);
    while (!answered->status.has_value()) answered->changed.Wait(answered->mutex);
    return *answered->status;
  }

  CancelToken cancel_;
  const std::shared_ptr<AttemptLog> log_ = std::make_shared<AttemptLog>();
  std::shared_ptr<AnsweringClient> next_;
  std::unique_ptr<RetryingClient> client_;
};

absl::Status Down(int, const CancelToken&) { return absl::UnavailableError("connection refused"); }

TEST_F(RetryingClientTest, WhatIsUnavailableIsTriedAgain) {
  Use([](int attempt,
         const CancelToken&) { return attempt < 3 ? absl::UnavailableError("connection lost") : absl::OkStatus(); },
      {.max_retries = 2});
  EXPECT_TRUE(Analyze().ok());
  EXPECT_EQ(next_->attempts(), 3);
  EXPECT_EQ(log_->retries("a"), 2);
  EXPECT_EQ(log_->retries("b"), 0);
}

TEST_F(RetryingClientTest, ACallHasItsOwnBoundOfRetries) {
  Use(Down, {.max_retries = 2});
  const absl::Status status = Analyze();
  EXPECT_EQ(next_->attempts(), 3);
  EXPECT_EQ(GetReason(status), "RETRY_BUDGET_SPENT");
  EXPECT_EQ(status.message(), "service peer: connection refused");
  EXPECT_EQ(GetReason(Summarize()), "RETRY_BUDGET_SPENT");
  EXPECT_EQ(next_->attempts(), 6);
}

TEST_F(RetryingClientTest, AllCallsTogetherHaveABudget) {
  Use(Down, {.max_retries = 2, .retry_budget = 3});
  EXPECT_FALSE(Analyze().ok());
  EXPECT_EQ(next_->attempts(), 3);
  EXPECT_FALSE(Summarize().ok());
  EXPECT_EQ(next_->attempts(), 5);
  EXPECT_EQ(GetReason(Analyze()), "RETRY_BUDGET_SPENT");
  EXPECT_EQ(next_->attempts(), 6);
}

TEST_F(RetryingClientTest, BackPressureCostsNothingOfTheBudget) {
  Use([](int attempt,
         const CancelToken&) { return attempt < 4 ? absl::ResourceExhaustedError("queue full") : absl::OkStatus(); },
      {.max_retries = 0, .retry_budget = 0});
  EXPECT_TRUE(Analyze().ok());
  EXPECT_EQ(next_->attempts(), 4);
}

TEST_F(RetryingClientTest, OtherFailuresAreFinalAndNameTheService) {
  Use([](int, const CancelToken&) { return absl::InternalError("bug"); }, {});
  EXPECT_EQ(Analyze(), absl::InternalError("service peer: bug"));
  EXPECT_EQ(Summarize(), absl::InternalError("service peer: bug"));
  EXPECT_EQ(next_->attempts(), 2);
}

TEST_F(RetryingClientTest, AnAttemptThatTakesTooLongSaysWhatDidNotCome) {
  Use(
      [](int, const CancelToken& cancel) {
        while (!cancel.cancelled()) std::this_thread::yield();
        return cancel.status();
      },
      {.attempt_timeout = absl::Milliseconds(20)});
  EXPECT_THAT(std::string(Analyze().message()), HasSubstr("service peer: no answer to a batch within 20ms"));
  EXPECT_THAT(std::string(Summarize().message()), HasSubstr("service peer: no summary within 20ms"));
}

TEST_F(RetryingClientTest, TheEndOfTheCallsTokenEndsTheAttemptWithItsStatus) {
  Use(
      [this](int, const CancelToken& cancel) {
        cancel_.Cancel(absl::AbortedError("enough"));
        EXPECT_EQ(cancel.status(), absl::AbortedError("enough"));
        return absl::UnavailableError("cut off");
      },
      {});
  EXPECT_EQ(Analyze(), absl::AbortedError("enough"));
  EXPECT_EQ(Analyze(), absl::AbortedError("enough"));
  EXPECT_EQ(next_->attempts(), 1);
}

TEST_F(RetryingClientTest, ACallOutlivesTheClient) {
  std::function<void()> answer;
  Use([](int attempt, const CancelToken&) { return attempt < 2 ? absl::UnavailableError("") : absl::OkStatus(); }, {});
  const absl::Status status = Wait([&](auto done) {
    client_->Summarize(std::make_shared<analyzer::v1::SummarizeRequest>(), cancel_,
                       [done](SummaryAnswer summary) { done(summary.status()); });
    client_.reset();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(RetryingClientTest, DescribeIsAskedOnce) {
  Use(Down, {});
  const absl::Status status = Wait(
      [&](auto done) { client_->Describe(cancel_, [done](const auto& description) { done(description.status()); }); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(next_->attempts(), 1);
}

TEST_F(RetryingClientTest, RetriesAreCountedByServiceAndReason) {
  telemetry::Metrics metrics({.service = "orchestrator", .orchestrator = true});
  metrics.DeclareService("peer");
  next_ = std::make_shared<AnsweringClient>([](int attempt, const CancelToken&) {
    return attempt < 3 ? MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining, "") : absl::OkStatus();
  });
  client_ =
      std::make_unique<RetryingClient>(next_, RetryingClient::Options{.service = "peer"}, TestTimer(), &metrics, log_);
  EXPECT_TRUE(Analyze().ok());
  EXPECT_EQ(metrics.orchestrator().batch_retries_total.Value({"peer", "SERVER_DRAINING"}), 2);
  // Those of a summary are no batches' of an analyzer.
  EXPECT_EQ(log_->retries("a"), 2);
  EXPECT_FALSE(client_->remote());
}

TEST_F(RetryingClientTest, UnlessToldOtherwiseACallIsTriedFourTimesAndARunTwentyMore) {
  Use(Down, {});
  for (int call = 0; call < 10; ++call) EXPECT_FALSE(Analyze().ok());
  EXPECT_EQ(next_->attempts(), 10 + 20);
  Use(Down, {});
  EXPECT_FALSE(Summarize().ok());
  EXPECT_EQ(next_->attempts(), 4);
}

}  // namespace
}  // namespace reelsight::orchestrator
