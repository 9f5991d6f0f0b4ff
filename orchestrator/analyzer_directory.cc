// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/analyzer_directory.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/merge/analyzer_result.h"
#include "shared/base/status.h"
#include "shared/process/version.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

v1::ListAnalyzersResponse::Analyzer ToListed(const EndpointSnapshot& endpoint,
                                             const analyzer::v1::AnalyzerDescription& description) {
  v1::ListAnalyzersResponse::Analyzer analyzer;
  analyzer.set_name(description.name());
  analyzer.set_service(endpoint.name);
  analyzer.set_description(description.description());
  analyzer.set_available(description.available() && endpoint.status.ok());
  analyzer.set_unavailable_reason(
      endpoint.status.ok() ? description.unavailable_reason()
                           : absl::StrCat("service ", endpoint.name, " does not answer: ", endpoint.status.message()));
  for (const analyzer::v1::Model& model : description.models()) *analyzer.add_models() = ToModelInfo(model);
  for (const analyzer::v1::Dependency& dependency : description.depends_on()) {
    analyzer.add_depends_on(dependency.analyzer());
  }
  analyzer.set_sample_fps(description.sampling().sample_fps());
  analyzer.set_options_type(description.options_type());
  analyzer.set_result_type(description.result_type().empty() ? "google.protobuf.Struct" : description.result_type());
  return analyzer;
}

}  // namespace

struct AnalyzerDirectory::EndpointState {
  // A question is under way, since `asked_at`.
  bool asking = false;
  bool overdue = false;
  Clock::time_point asked_at;
  // When to ask next.
  Clock::time_point next;
  // It has answered or failed at least once.
  bool heard = false;
  // Of the question under way.
  CancelToken question;
};

struct AnalyzerDirectory::State {
  mutable Mutex mutex;
  CondVar changed;
  std::vector<EndpointSnapshot> snapshots ABSL_GUARDED_BY(mutex);
  std::vector<EndpointState> endpoints ABSL_GUARDED_BY(mutex);
  // Answers came that metrics do not know yet.
  bool news ABSL_GUARDED_BY(mutex) = false;
  bool known ABSL_GUARDED_BY(mutex) = false;
  std::vector<std::function<void()>> waiting ABSL_GUARDED_BY(mutex);
  bool stopping ABSL_GUARDED_BY(mutex) = false;

  void NoteAnswer(size_t i, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    snapshots[i].status = std::move(status);
    endpoints[i].heard = news = true;
    changed.NotifyAll();
  }
};

AnalyzerDirectory::AnalyzerDirectory(const std::vector<Endpoint>& endpoints, Options options,
                                     telemetry::Metrics* metrics)
    : endpoints_(endpoints), options_(options), metrics_(metrics), state_(std::make_shared<State>()) {
  {
    MutexLock lock(state_->mutex);
    state_->endpoints.resize(endpoints_.size());
    for (const Endpoint& endpoint : endpoints_) {
      state_->snapshots.push_back(
          {.name = endpoint.name, .description = {}, .status = absl::UnavailableError("it has not answered yet")});
    }
  }
  thread_ = std::thread([this] { KeepAsking(); });
}

AnalyzerDirectory::~AnalyzerDirectory() {
  std::vector<CancelToken> questions;
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.NotifyAll();
    for (const EndpointState& endpoint : state_->endpoints) questions.push_back(endpoint.question);
  }
  for (const CancelToken& question : questions) question.Cancel();
  thread_.join();
}

AnalyzerDirectory::Clock::time_point AnalyzerDirectory::AskServices() {
  const Clock::duration timeout = absl::ToChronoNanoseconds(options_.answer_timeout);
  const Clock::time_point now = Clock::now();
  Clock::time_point look_again = now + absl::ToChronoNanoseconds(options_.interval);
  std::vector<std::pair<size_t, CancelToken>> due;
  {
    MutexLock lock(state_->mutex);
    for (size_t i = 0; i < endpoints_.size(); ++i) {
      EndpointState& endpoint = state_->endpoints[i];
      if (!endpoint.asking && endpoint.next <= now) {
        endpoint = {
            .asking = true, .overdue = false, .asked_at = now, .next = now, .heard = endpoint.heard, .question = {}};
        endpoint.question.SetDeadline(now + timeout);
        due.emplace_back(i, endpoint.question);
      }
      if (endpoint.asking && !endpoint.overdue && endpoint.asked_at + timeout <= now) {
        endpoint.overdue = true;
        state_->NoteAnswer(i,
                           MakeError(absl::StatusCode::kUnavailable, Reason::kAnalyzerUnavailable,
                                     absl::StrCat("no answer within ", absl::FormatDuration(options_.answer_timeout))));
      }
      if (endpoint.asking && endpoint.overdue) continue;
      look_again = std::min(look_again, endpoint.asking ? endpoint.asked_at + timeout : endpoint.next);
    }
  }
  for (const auto& [i, question] : due) {
    endpoints_[i].client->Describe(question, [state = state_, i = i, interval = options_.interval](
                                                 absl::StatusOr<analyzer::v1::DescribeResponse> answer) {
      MutexLock lock(state->mutex);
      EndpointState& endpoint = state->endpoints[i];
      endpoint.asking = false;
      endpoint.next = Clock::now() + absl::ToChronoNanoseconds(interval);
      state->NoteAnswer(i, answer.status());
      if (answer.ok()) state->snapshots[i].description = *std::move(answer);
    });
  }
  return look_again;
}

void AnalyzerDirectory::KeepAsking() {
  const Clock::time_point first_round_ends = Clock::now() + absl::ToChronoNanoseconds(options_.first_round);
  while (true) {
    Clock::time_point next = AskServices();
    std::vector<std::function<void()>> ready;
    {
      MutexLock lock(state_->mutex);
      if (!state_->known) next = std::min(next, first_round_ends);
      while (!state_->stopping && !state_->news && Clock::now() < next) state_->changed.WaitUntil(state_->mutex, next);
      const bool all_heard = std::all_of(state_->endpoints.begin(), state_->endpoints.end(),
                                         [](const EndpointState& endpoint) { return endpoint.heard; });
      if (state_->stopping || all_heard || Clock::now() >= first_round_ends) {
        state_->known = true;
        ready.swap(state_->waiting);
        state_->changed.NotifyAll();
      }
      state_->news = false;
      if (metrics_ != nullptr) {
        for (const EndpointSnapshot& snapshot : state_->snapshots) {
          metrics_->orchestrator().service_available.Set({snapshot.name}, snapshot.status.ok() ? 1 : 0);
          for (const analyzer::v1::AnalyzerDescription& analyzer : snapshot.description.analyzers()) {
            metrics_->DeclareAnalyzer(analyzer.name());
          }
        }
      }
    }
    for (const std::function<void()>& done : ready) done();
    MutexLock lock(state_->mutex);
    if (state_->stopping && state_->waiting.empty()) return;
  }
}

std::vector<EndpointSnapshot> AnalyzerDirectory::Snapshot() {
  MutexLock lock(state_->mutex);
  while (!state_->known) state_->changed.Wait(state_->mutex);
  return state_->snapshots;
}

v1::ListAnalyzersResponse AnalyzerDirectory::ListAnalyzers() {
  // The first endpoint that offers a name wins, as in a plan.
  std::map<std::string, v1::ListAnalyzersResponse::Analyzer> by_name;
  for (const EndpointSnapshot& endpoint : Snapshot()) {
    for (const analyzer::v1::AnalyzerDescription& description : endpoint.description.analyzers()) {
      by_name.emplace(description.name(), ToListed(endpoint, description));
    }
  }
  v1::ListAnalyzersResponse response;
  response.set_server_version(process::Version());
  for (auto& [name, analyzer] : by_name) *response.add_analyzers() = std::move(analyzer);
  return response;
}

absl::Status AnalyzerDirectory::Health() {
  std::string why;
  for (const EndpointSnapshot& endpoint : Snapshot()) {
    if (!endpoint.status.ok()) {
      absl::StrAppend(&why, "; service ", endpoint.name, ": ", endpoint.status.message());
      continue;
    }
    for (const analyzer::v1::AnalyzerDescription& analyzer : endpoint.description.analyzers()) {
      if (analyzer.available()) return absl::OkStatus();
      absl::StrAppend(&why, "; ", analyzer.name(), ": ", analyzer.unavailable_reason());
    }
  }
  return MakeError(absl::StatusCode::kUnavailable, Reason::kAnalyzerUnavailable,
                   absl::StrCat("no analyzer can be used", why));
}

bool AnalyzerDirectory::known() const {
  MutexLock lock(state_->mutex);
  return state_->known;
}

void AnalyzerDirectory::WhenKnown(std::function<void()> done) {
  {
    MutexLock lock(state_->mutex);
    if (!state_->known) {
      state_->waiting.push_back(std::move(done));
      return;
    }
  }
  done();
}

}  // namespace reelsight::orchestrator
