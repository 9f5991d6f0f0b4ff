// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/analyze_options.h"
#include "cli/analyze_runner.h"
#include "cli/command.h"
#include "cli/embedded_backend.h"
#include "cli/interrupt.h"
#include "cli/model_pull.h"
#include "cli/remote_backend.h"
#include "cli/report/report_masks.h"
#include "cli/stdin_file.h"
#include "cli/time_text.h"
#include "shared/base/status.h"
#include "shared/inference/models_config.h"

namespace reelsight::cli {
namespace {

constexpr std::chrono::seconds kListPatience(5);
constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight analyze clip.mp4\n"
    "  reelsight analyze clip.mp4 --report report.html\n"
    "  reelsight analyze clip.mp4 --analyzers cut_analysis,color_analysis --format json\n"
    "  reelsight analyze clip.mp4 --start 0:10 --end 0:25.5 --fps color_analysis=4\n"
    "  reelsight analyze clip.mp4 --option cut_analysis.sensitivity=0.7 --option camera_analysis.min_segment=1s\n"
    "  reelsight analyze *.mp4 --format json --output results.jsonl --report reports/\n"
    "  reelsight analyze clip.mp4 --server gpu-box:7010\n"
    "  curl -s https://example.com/clip.mp4 | reelsight analyze -\n"
    "  reelsight analyze https://example.com/clip.mp4 s3://bucket/clip.mp4 --timeout 2m\n"
    "One input gives one document. With several, JSON is one object a line, {\"input\", \"response\"} or\n"
    "{\"input\", \"error\"}, and --report names a folder. Standard output holds the document and nothing else.\n"
    "Exit status: 0 all good, 1 a video failed, 2 wrong usage, 3 some analyzers failed, 130 interrupted.";

class AnalyzeCommand final : public Command {
 public:
  std::string name() const override { return "analyze"; }
  std::string description() const override { return "Analyses videos and prints what is in them"; }

  void Define(CLI::App& app) override {
    app.add_option("input", inputs_, "Files, http, https, s3 or file URIs, or `-`: standard input")
        ->required()
        ->type_name("INPUT");
    app.add_option("--analyzers,-a", flags_.analyzers, "Analyzers to run, by commas; default: all that are available")
        ->delimiter(',')
        ->type_name("NAMES");
    app.add_option("--format,-f", format_, "text (for people), json (proto3 JSON) or textproto; default: text")
        ->check(CLI::IsMember({"text", "json", "textproto"}))
        ->type_name("FORMAT");
    app.add_option("--output,-o", output_, "File for the document; `-`, the default: standard output")
        ->type_name("PATH");
    app.add_option("--report,-r", report_,
                   "Writes an HTML report; with several inputs a folder of reports. For its pictures "
                   "background_segmentation is asked for PNG masks unless you set its mask_format; they go into the "
                   "report only")
        ->type_name("PATH");
    app.add_option("--fps", flags_.fps, "Frames a second for one analyzer; may be repeated")
        ->type_name("ANALYZER=N")
        ->take_all();
    app.add_option("--option", flags_.options, "Option of an analyzer; may be repeated")
        ->type_name("ANALYZER.FIELD=VALUE")
        ->take_all();
    app.add_option("--start", flags_.start, "Analyse from here: seconds, 500ms, 1m30s or 1:02.5")->type_name("T");
    app.add_option("--end", flags_.end, "Analyse up to here")->type_name("T");
    app.add_option("--profile", flags_.profile, "How frames are sampled: accurate (default) or reference")
        ->check(CLI::IsMember({"accurate", "reference"}))
        ->type_name("PROFILE");
    app.add_option("--server,-s", remote_.server, "Analyse on this server instead of in this process")
        ->type_name("HOST:PORT");
    app.add_option("--ca", remote_.ca_file, "PEM file of authorities: talk to the server by TLS")->type_name("FILE");
    app.add_option("--request-id", flags_.request_id, "Makes the request idempotent; for one input")->type_name("ID");
    app.add_option("--threads", threads_, "Threads for analysis in this process; default: one for each processor")
        ->check(CLI::Range(1, 1024))
        ->type_name("N");
    app.add_option("--timeout", timeout_, "Longest time for one video")->type_name("T");
    app.add_flag("--offline", offline_, "Fetch no models; analyzers that lack theirs are left out")
        ->envname("REELSIGHT_OFFLINE");
    app.add_flag("--quiet,-q", quiet_, "No progress and no notes, errors only");
    app.footer(kExamples);
  }

  ExitCode Run() override {
    AnalyzeRunner::Options options{
        .inputs = inputs_, .output = output_, .report = report_, .server = remote_.server, .quiet = quiet_};
    if (const absl::Status status = ReadFlags(options); !status.ok()) {
      std::fprintf(stderr, "reelsight analyze: %s\nTry `reelsight analyze --help`.\n",
                   Printable(std::string(status.message())).c_str());
      return ExitCode::kUsage;
    }
    const CancelToken cancel;
    const InterruptHandler interrupt(cancel);
    // Gone when it is closed, however the process ends.
    UniqueFd stdin_file;
    if (std::find(inputs_.begin(), inputs_.end(), "-") != inputs_.end()) {
      auto spooled = SpoolStdin(cancel);
      if (!spooled.ok()) {
        std::fprintf(stderr, "reelsight: %s\n", std::string(spooled.status().message()).c_str());
        return cancel.cancelled() ? ExitCode::kInterrupted : ExitCode::kFailed;
      }
      stdin_file = *std::move(spooled);
      options.stdin_path = absl::StrCat("/proc/self/fd/", stdin_file.get());
    }
    if (remote_.server.empty() && !offline_) GetModels(options.request, cancel);
    if (cancel.cancelled()) return ExitCode::kInterrupted;
    absl::StatusOr<std::unique_ptr<Backend>> backend = MakeBackend();
    if (!backend.ok()) {
      std::fprintf(stderr, "reelsight: %s\n", std::string(backend.status().message()).c_str());
      return ExitCode::kFailed;
    }
    options.masks_for_report_only =
        WantsMasks(options.request, **backend, cancel) && report::AskForMasks(&options.request);
    return AnalyzeRunner(std::move(options), Terminal::ForDescriptor(output_ == "-" ? STDOUT_FILENO : -1),
                         Terminal::ForDescriptor(STDERR_FILENO), **backend)
        .Run(cancel);
  }

 private:
  absl::Status ReadFlags(AnalyzeRunner::Options& options) const {
    auto request = MakeRequest(flags_);
    if (!request.ok()) return request.status();
    options.request = *std::move(request);
    options.format = format_ == "json"        ? DocumentFormat::kJson
                     : format_ == "textproto" ? DocumentFormat::kTextproto
                                              : DocumentFormat::kText;
    if (std::find(inputs_.begin(), inputs_.end(), "") != inputs_.end()) {
      return absl::InvalidArgumentError("the name of an input is empty");
    }
    const auto stdin_count = std::count(inputs_.begin(), inputs_.end(), "-");
    if (stdin_count > 1) return absl::InvalidArgumentError("standard input can be read only once");
    if (stdin_count == 1 && isatty(STDIN_FILENO) == 1) {
      return absl::InvalidArgumentError("`-` is standard input, but that is a terminal; send a video into it");
    }
    RETURN_IF_ERROR(CheckPlaces(inputs_, output_, report_));
    if (inputs_.size() > 1 && !flags_.request_id.empty()) {
      return absl::InvalidArgumentError("--request-id: one id is for one input");
    }
    if (!remote_.server.empty()) RETURN_IF_ERROR(CheckServerAddress(remote_.server));
    if (!remote_.ca_file.empty() && remote_.server.empty()) {
      return absl::InvalidArgumentError("--ca: has a meaning with --server only");
    }
    if (!timeout_.empty()) {
      const auto timeout = ParseTime(timeout_);
      if (!timeout.ok() || *timeout <= absl::ZeroDuration()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--timeout: `", timeout_, "` is no time above 0, such as `90` or `2m`"));
      }
      options.timeout = *timeout;
    }
    return absl::OkStatus();
  }

  // Fetches the models that the run will want. A failure is told, and the run goes on without.
  void GetModels(const v1::AnalyzeRequest& request, const CancelToken& cancel) const {
    const auto store = inference::OpenStore(EmbeddedBackend::PersonalConfig().models());
    if (!store.ok()) return;
    const std::vector<std::string> missing = MissingModels(*store, request);
    if (missing.empty()) return;
    (void)PullModels(*store, missing, {.quiet = quiet_, .err = Terminal::ForDescriptor(STDERR_FILENO)}, cancel);
  }

  // Whether a report will have pictures, as those of videos that lie here have, and masks to draw on them: options of
  // an analyzer that does not run would be an error.
  bool WantsMasks(const v1::AnalyzeRequest& request, Backend& backend, const CancelToken& cancel) const {
    if (report_.empty() || std::all_of(inputs_.begin(), inputs_.end(), IsUri)) return false;
    if (!request.analyzers().empty()) return true;
    // Masks are not worth a long wait.
    const CancelToken soon;
    const CancelToken::Callback follow(cancel, [&] { soon.Cancel(cancel.status()); });
    soon.SetDeadline(CancelToken::Clock::now() + kListPatience);
    const auto list = backend.ListAnalyzers(soon);
    return list.ok() && std::any_of(list->analyzers().begin(), list->analyzers().end(), [](const auto& analyzer) {
             return analyzer.available() && analyzer.name() == report::kMaskAnalyzer;
           });
  }

  absl::StatusOr<std::unique_ptr<Backend>> MakeBackend() const {
    if (!remote_.server.empty()) {
      auto backend = RemoteBackend::Create(remote_);
      if (!backend.ok()) return backend.status();
      return std::unique_ptr<Backend>(*std::move(backend));
    }
    auto backend = EmbeddedBackend::Create(EmbeddedBackend::PersonalConfig(), threads_);
    if (!backend.ok()) return backend.status();
    return std::unique_ptr<Backend>(*std::move(backend));
  }

  std::vector<std::string> inputs_;
  AnalyzeFlags flags_;
  RemoteBackend::Options remote_;
  std::string format_ = "text";
  std::string output_ = "-";
  std::string report_;
  std::string timeout_;
  int threads_ = 0;
  bool offline_ = false;
  bool quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeAnalyzeCommand() { return std::make_unique<AnalyzeCommand>(); }

}  // namespace reelsight::cli
