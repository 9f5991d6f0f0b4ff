// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "cli/analyze_options.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "cli/doctor_checks.h"
#include "cli/embedded_backend.h"
#include "cli/input_name.h"
#include "cli/interrupt.h"
#include "cli/output_file.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight bench clip.mp4\n"
    "  reelsight bench clip.mp4 --runs 9 --analyzers cut_analysis --threads 2\n"
    "  reelsight bench clip.mp4 --json | jq .realtimeFactorWarm\n"
    "Times of stages and analyzers run side by side and do not add up to the whole.";

absl::Duration CpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

int64_t PeakRssBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

class BenchCommand final : public Command {
 public:
  std::string name() const override { return "bench"; }
  std::string description() const override { return "Measures how fast this machine analyses a clip"; }

  void Define(CLI::App& app) override {
    app.add_option("clip", clip_, "File or URI")->required()->type_name("CLIP");
    app.add_option("--runs,-n", runs_, "Warm runs after the first; default: 5")
        ->check(CLI::Range(0, 1000))
        ->type_name("N");
    app.add_option("--analyzers,-a", flags_.analyzers, "Analyzers to run, by commas; default: all")
        ->delimiter(',')
        ->type_name("NAMES");
    app.add_option("--threads", threads_, "Threads for analysis; default: one for each processor")
        ->check(CLI::Range(1, 1024))
        ->type_name("N");
    app.add_flag("--json", json_, "Prints JSON instead of a table");
    app.footer(kExamples);
  }

  ExitCode Run() override {
    const CancelToken cancel;
    const InterruptHandler interrupt(cancel);
    const auto request = MakeRequest(flags_);
    if (!request.ok()) return Complain(request.status(), ExitCode::kUsage);
    const auto report = Measure(*request, cancel);
    if (InterruptHandler::interrupted()) return ExitCode::kInterrupted;
    if (!report.ok()) {
      const absl::Status usage = AsUsageError(report.status(), flags_.analyzers);
      return usage.ok() ? Complain(report.status(), ExitCode::kFailed) : Complain(usage, ExitCode::kUsage);
    }
    const std::string text = json_ ? BenchJson(*report) : BenchTable(*report, Terminal::ForDescriptor(STDOUT_FILENO));
    if (!WriteStdout(text).ok()) return ExitCode::kFailed;
    for (const auto& result : report->first.response.results()) {
      if (result.status().code() != v1::AnalyzerStatus::OK) return ExitCode::kSomeAnalyzersFailed;
    }
    return ExitCode::kOk;
  }

 private:
  static ExitCode Complain(const absl::Status& status, ExitCode code) {
    std::fprintf(stderr, "reelsight bench: %s\n", Printable(std::string(status.message())).c_str());
    return code;
  }

  absl::StatusOr<BenchReport> Measure(const v1::AnalyzeRequest& request, const CancelToken& cancel) {
    const Terminal terminal = Terminal::ForDescriptor(STDERR_FILENO);
    BenchReport report;
    report.clip = DisplayName(clip_);
    report.processors = UsableProcessors();
    report.gpu = GpuName();
    std::unique_ptr<EmbeddedBackend> backend;
    for (int i = 0; i <= runs_; ++i) {
      if (terminal.interactive)
        std::fprintf(stderr, "\r\x1b[K%s", i == 0 ? "first run" : absl::StrCat("warm run ", i, " of ", runs_).c_str());
      const absl::Duration cpu = CpuTime();
      const auto start = std::chrono::steady_clock::now();
      // The first run pays for starting the engines too.
      if (backend == nullptr) {
        ASSIGN_OR_RETURN(backend, EmbeddedBackend::Create(EmbeddedBackend::PersonalConfig(), threads_));
      }
      auto response = backend->Analyze(clip_, request, nullptr, cancel);
      if (!response.ok()) {
        if (terminal.interactive) std::fprintf(stderr, "\r\x1b[K");
        return response.status();
      }
      BenchRun run{.elapsed = absl::FromChrono(std::chrono::steady_clock::now() - start),
                   .cpu = CpuTime() - cpu,
                   .response = *std::move(response)};
      if (i == 0) {
        report.first = std::move(run);
      } else {
        report.warm.push_back(std::move(run));
      }
    }
    if (terminal.interactive) std::fprintf(stderr, "\r\x1b[K");
    report.peak_rss_bytes = PeakRssBytes();
    return report;
  }

  std::string clip_;
  AnalyzeFlags flags_;
  int runs_ = 5;
  int threads_ = 0;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace reelsight::cli
