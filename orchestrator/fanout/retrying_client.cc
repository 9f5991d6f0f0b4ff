// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/retrying_client.h"

#include <atomic>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/fanout/retry_policy.h"
#include "shared/base/status.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {

// What calls keep of the client, which they may outlive.
struct RetryingClient::Shared {
  Shared(std::shared_ptr<analysis::AnalyzerClient> next_in, Options options_in, concurrency::Timer& timer_in,
         telemetry::Metrics* metrics_in, std::shared_ptr<AttemptLog> log_in)
      : next(std::move(next_in)),
        options(std::move(options_in)),
        timer(timer_in),
        metrics(metrics_in),
        log(std::move(log_in)),
        budget(options.retry_budget) {}

  const std::shared_ptr<analysis::AnalyzerClient> next;
  const Options options;
  concurrency::Timer& timer;
  telemetry::Metrics* const metrics;
  const std::shared_ptr<AttemptLog> log;
  std::atomic<int> budget;

  // Back-pressure costs nothing of the budget: a full service is at work.
  bool TakeFromBudget(const absl::Status& failure) {
    return failure.code() != absl::StatusCode::kUnavailable || budget.fetch_sub(1) > 0;
  }

  // A failure that is not tried again, in the words of the run. `what` is what did not come.
  absl::Status FinalStatus(const absl::Status& failure, const char* what) const {
    const std::string service = absl::StrCat("service ", options.service);
    if (failure.code() == absl::StatusCode::kDeadlineExceeded) {
      return MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded,
                       absl::StrCat(service, ": no ", what, " within ", absl::FormatDuration(options.attempt_timeout)));
    }
    const absl::Status named = Annotate(failure, service);
    return failure.code() == absl::StatusCode::kUnavailable ? WithReason(named, Reason::kRetryBudgetSpent) : named;
  }
};

// One call with its attempts; kept alive by the callbacks that hold it.
template <typename Response>
class RetryingClient::RetriedCall : public std::enable_shared_from_this<RetriedCall<Response>> {
 public:
  using Answer = absl::StatusOr<Response>;
  using AnswerCallback = std::function<void(Answer)>;

  struct Parts {
    // Makes one attempt.
    std::function<void(const CancelToken& attempt, AnswerCallback)> send;
    // Told before each attempt but the first.
    std::function<void()> on_retry;
    // What is asked for, for a message.
    const char* what = "";
  };

  RetriedCall(std::shared_ptr<Shared> shared, const CancelToken& cancel, Parts parts, AnswerCallback done)
      : shared_(std::move(shared)), cancel_(cancel), parts_(std::move(parts)), done_(std::move(done)) {}

  void MakeAttempt() {
    if (const absl::Status over = cancel_.status(); !over.ok()) return EndCall(over);
    const CancelToken attempt = CancelToken::ChildOf(cancel_);
    attempt.SetDeadline(AttemptDeadline(shared_->options.attempt_timeout, cancel_));
    // A copy: an answer that comes before this returns ends the call.
    const auto send = parts_.send;
    send(attempt, [self = this->shared_from_this()](Answer answer) { self->OnAnswer(std::move(answer)); });
  }

 private:
  void OnAnswer(Answer answer) {
    if (answer.ok()) return EndCall(std::move(answer));
    if (const absl::Status over = cancel_.status(); !over.ok()) return EndCall(over);
    ++retry_.failures;
    const auto delay =
        NextDelay(answer.status(), retry_, shared_->options.max_retries, Patience(shared_->options.attempt_timeout));
    if (!delay.has_value() || !shared_->TakeFromBudget(answer.status())) {
      return EndCall(shared_->FinalStatus(answer.status(), parts_.what));
    }
    if (shared_->metrics != nullptr) {
      shared_->metrics->orchestrator().batch_retries_total.Add(
          {shared_->options.service, telemetry::ReasonLabel(answer.status())});
    }
    parts_.on_retry();
    shared_->timer.RunAt(RetryState::Clock::now() + *delay, [self = this->shared_from_this()] { self->MakeAttempt(); });
  }

  void EndCall(Answer answer) {
    const AnswerCallback done = std::move(done_);
    // What was asked for may be large: it is freed before the run can end.
    parts_ = {};
    done(std::move(answer));
  }

  const std::shared_ptr<Shared> shared_;
  const CancelToken cancel_;
  // Used by one thread at a time: attempts follow each other.
  Parts parts_;
  AnswerCallback done_;
  RetryState retry_;
};

RetryingClient::RetryingClient(std::shared_ptr<analysis::AnalyzerClient> next, Options options,
                               concurrency::Timer& timer, telemetry::Metrics* metrics, std::shared_ptr<AttemptLog> log)
    : shared_(std::make_shared<Shared>(std::move(next), std::move(options), timer, metrics, std::move(log))) {}

void RetryingClient::Describe(const CancelToken& cancel, DescribeCallback done) {
  shared_->next->Describe(cancel, std::move(done));
}

void RetryingClient::AnalyzeFrames(std::shared_ptr<const analysis::Batch> batch, const CancelToken& cancel,
                                   BatchCallback done) {
  using Call = RetriedCall<analyzer::v1::AnalyzeFramesResponse>;
  Call::Parts parts{.send =
                        [next = shared_->next, batch](const CancelToken& attempt, Call::AnswerCallback answered) {
                          next->AnalyzeFrames(batch, attempt, std::move(answered));
                        },
                    .on_retry = [log = shared_->log, batch] { log->AddRetry(*batch); },
                    .what = "answer to a batch"};
  std::make_shared<Call>(shared_, cancel, std::move(parts), std::move(done))->MakeAttempt();
}

void RetryingClient::Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                               SummarizeCallback done) {
  using Call = RetriedCall<analyzer::v1::SummarizeResponse>;
  Call::Parts parts{.send =
                        [next = shared_->next, request](const CancelToken& attempt, Call::AnswerCallback answered) {
                          next->Summarize(request, attempt, std::move(answered));
                        },
                    .on_retry = [] {},
                    .what = "summary"};
  std::make_shared<Call>(shared_, cancel, std::move(parts), std::move(done))->MakeAttempt();
}

bool RetryingClient::remote() const { return shared_->next->remote(); }

}  // namespace reelsight::orchestrator
