// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/summary_stage.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;
using SummaryOr = absl::StatusOr<analyzer::v1::SummarizeResponse>;

constexpr std::chrono::milliseconds kCancelPoll(50);

// Answers that came in, shared with calls that may outlive the stage.
struct Inbox {
  Mutex mutex;
  CondVar changed;
  std::deque<std::pair<int, SummaryOr>> arrived ABSL_GUARDED_BY(mutex);
  bool woken ABSL_GUARDED_BY(mutex) = false;

  void Wake() {
    {
      MutexLock lock(mutex);
      woken = true;
    }
    changed.NotifyAll();
  }

  void PutSummary(int place, SummaryOr summary) {
    {
      MutexLock lock(mutex);
      arrived.emplace_back(place, std::move(summary));
    }
    changed.NotifyAll();
  }
};

class SummaryStage {
 public:
  SummaryStage(const AnalysisPlan& plan, const SummaryStageInput& input, FrameOutcomeSource& frames,
               const std::vector<ServiceCall>& services, const CancelToken& cancel,
               const SummaryStageObserver& observer)
      : plan_(plan),
        input_(input),
        frames_(frames),
        services_(services),
        cancel_(cancel),
        observer_(observer),
        outcomes_(plan.analyzers.size()),
        states_(plan.analyzers.size(), State::kFrames),
        started_(plan.analyzers.size()) {
    for (size_t i = 0; i < plan.analyzers.size(); ++i) places_[plan.analyzers[i].description.name()] = i;
    frames_.OnComplete([inbox = inbox_] { inbox->Wake(); });
  }
  ~SummaryStage() { frames_.OnComplete(nullptr); }

  std::vector<AnalyzerOutcome> Run() {
    while (true) {
      TakeFrames();
      StartReady();
      if (done_ == outcomes_.size()) return std::move(outcomes_);
      ReceiveSummaries();
    }
  }

 private:
  // Its frames are under way; it may start as soon as those it builds on are done; its summary is under way; done.
  enum class State { kFrames, kWaiting, kRunning, kDone };

  void TakeFrames() {
    const absl::Status cancelled = cancel_.status();
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      if (states_[i] != State::kFrames) continue;
      const std::string& name = plan_.analyzers[i].description.name();
      std::optional<FrameOutcome> frames = frames_.TakeCompleteOutcome(name);
      const bool missing = !frames.has_value() || input_.frames_missing;
      if (!frames.has_value()) {
        if (cancelled.ok()) continue;
        frames = frames_.TakeOutcome(name);
      }
      if (missing && frames->status.ok() && !cancelled.ok()) {
        frames->status = Annotate(cancelled, "not all frames were analysed in time");
      }
      outcomes_[i].frames = *std::move(frames);
      states_[i] = State::kWaiting;
    }
  }

  void StartReady() {
    // In plan order dependencies come first, so one pass settles all that failures decide.
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      if (states_[i] != State::kWaiting) continue;
      const PlannedAnalyzer& planned = plan_.analyzers[i];
      absl::Status why = planned.status;
      if (why.ok()) why = outcomes_[i].frames.status;
      if (why.ok()) why = cancel_.status();
      if (why.ok()) why = FailedDependency(i);
      if (!why.ok()) {
        EndAnalyzer(i, std::move(why));
      } else if (DependenciesDone(i)) {
        StartSummary(i);
      }
    }
  }

  // Where a dependency stands, or -1 if it is not part of the run (or closes a cycle).
  int PlaceOf(const std::string& name, size_t dependant) const {
    const auto it = places_.find(name);
    return it != places_.end() && it->second < dependant ? static_cast<int>(it->second) : -1;
  }

  absl::Status FailedDependency(size_t i) const {
    for (const analyzer::v1::Dependency& dependency : plan_.analyzers[i].description.depends_on()) {
      if (dependency.optional()) continue;
      const int place = PlaceOf(dependency.analyzer(), i);
      if (place >= 0 && (states_[place] != State::kDone || outcomes_[place].status.ok())) continue;
      const std::string why = place >= 0 ? absl::StrCat(", which failed: ", outcomes_[place].status.message())
                              : places_.contains(dependency.analyzer()) ? ", which builds on it in turn"
                                                                        : ", which is not part of the run";
      return WithMetadata(
          MakeError(absl::StatusCode::kFailedPrecondition, Reason::kDependencyFailed,
                    absl::StrCat(plan_.analyzers[i].description.name(), " builds on ", dependency.analyzer(), why)),
          "dependency", dependency.analyzer());
    }
    return absl::OkStatus();
  }

  bool DependenciesDone(size_t i) const {
    for (const analyzer::v1::Dependency& dependency : plan_.analyzers[i].description.depends_on()) {
      const int place = PlaceOf(dependency.analyzer(), i);
      if (place >= 0 && states_[place] != State::kDone) return false;
    }
    return true;
  }

  void StartSummary(size_t i) {
    const PlannedAnalyzer& planned = plan_.analyzers[i];
    auto request = std::make_shared<analyzer::v1::SummarizeRequest>();
    request->set_request_id(input_.request_id);
    request->set_analyzer(planned.description.name());
    *request->mutable_video() = input_.video;
    *request->mutable_options() = planned.options;
    for (analyzer::v1::FrameResult& frame : outcomes_[i].frames.results) *request->add_results() = std::move(frame);
    outcomes_[i].frames.results.clear();
    request->mutable_segments()->Assign(input_.segments.begin(), input_.segments.end());
    const SamplingRule rule = planned.RuleFor(input_.video.frame_rate(), input_.profile);
    request->set_sample_fps(rule.interval_frames > 0 ? input_.video.frame_rate() / rule.interval_frames
                                                     : rule.sample_fps);
    for (const analyzer::v1::Dependency& dependency : planned.description.depends_on()) {
      const int place = PlaceOf(dependency.analyzer(), i);
      analyzer::v1::DependencySummary& summary = *request->add_dependencies();
      summary.set_analyzer(dependency.analyzer());
      if (place >= 0 && outcomes_[place].status.ok()) *summary.mutable_summary() = outcomes_[place].summary;
    }
    states_[i] = State::kRunning;
    started_[i] = Clock::now();
    services_[planned.endpoint].client->Summarize(std::move(request), cancel_,
                                                  [inbox = inbox_, place = static_cast<int>(i)](SummaryOr summary) {
                                                    inbox->PutSummary(place, std::move(summary));
                                                  });
  }

  void ReceiveSummaries() {
    std::deque<std::pair<int, SummaryOr>> arrived;
    {
      MutexLock lock(inbox_->mutex);
      if (inbox_->arrived.empty() && !inbox_->woken) {
        inbox_->changed.WaitUntil(inbox_->mutex, Clock::now() + kCancelPoll);
      }
      inbox_->woken = false;
      arrived.swap(inbox_->arrived);
    }
    if (observer_.on_wait) observer_.on_wait();
    for (auto& [place, summary] : arrived) {
      if (states_[place] != State::kRunning) continue;
      outcomes_[place].summarize_time = absl::FromChrono(Clock::now() - started_[place]);
      if (summary.ok()) outcomes_[place].summary = *std::move(summary);
      EndAnalyzer(place, summary.status());
    }
    const absl::Status cancelled = cancel_.status();
    if (cancelled.ok()) return;
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      if (states_[i] == State::kRunning) EndAnalyzer(i, cancelled);
    }
  }

  void EndAnalyzer(size_t i, absl::Status status) {
    states_[i] = State::kDone;
    outcomes_[i].status = std::move(status);
    ++done_;
    if (observer_.on_outcome) observer_.on_outcome(static_cast<int>(i), outcomes_[i]);
  }

  const AnalysisPlan& plan_;
  const SummaryStageInput& input_;
  FrameOutcomeSource& frames_;
  const std::vector<ServiceCall>& services_;
  const CancelToken cancel_;
  const SummaryStageObserver& observer_;
  std::vector<AnalyzerOutcome> outcomes_;
  std::vector<State> states_;
  std::vector<Clock::time_point> started_;
  std::map<std::string, size_t> places_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  size_t done_ = 0;
};

}  // namespace

std::vector<AnalyzerOutcome> RunSummaries(const AnalysisPlan& plan, const SummaryStageInput& input,
                                          FrameOutcomeSource& frames, const std::vector<ServiceCall>& services,
                                          const CancelToken& cancel, const SummaryStageObserver& observer) {
  return SummaryStage(plan, input, frames, services, cancel, observer).Run();
}

}  // namespace reelsight::orchestrator
