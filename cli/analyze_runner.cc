// SPDX-License-Identifier: Apache-2.0
#include "cli/analyze_runner.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "cli/analyze_options.h"
#include "cli/input_name.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/report/key_frames.h"
#include "cli/report/report.h"
#include "cli/report/report_masks.h"
#include "cli/text_summary.h"
#include "shared/base/status.h"
#include "shared/process/version.h"

namespace reelsight::cli {
namespace {

class BarsObserver final : public AnalysisObserver {
 public:
  explicit BarsObserver(ProgressBars& bars) : bars_(bars) {}
  void OnVideo(const v1::VideoInfo& video) override { bars_.Apply(video); }
  void OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) override { bars_.Apply(progress); }
  void OnResult(const v1::AnalyzerResult& result) override { bars_.Apply(result); }
  void OnUpload(int64_t sent_bytes, int64_t total_bytes) override { bars_.SetUpload(sent_bytes, total_bytes); }

 private:
  ProgressBars& bars_;
};

// Stands in the reason of an analyzer that lacks models.
constexpr char kPullCommand[] = "reelsight models pull";

// DisplayName for documents, where standard input is named as it was given.
std::string InputName(const std::string& input) { return input == "-" ? input : DisplayName(input); }

bool AllOk(const v1::AnalyzeResponse& response) {
  for (const v1::AnalyzerResult& result : response.results()) {
    if (result.status().code() != v1::AnalyzerStatus::OK) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> ReportPaths(const std::string& report, const std::vector<std::string>& inputs) {
  std::error_code ignored;
  if (inputs.size() == 1 && !std::filesystem::is_directory(report, ignored) && report.back() != '/') return {report};
  std::vector<std::string> paths;
  for (const std::string& input : inputs) {
    std::string name = std::filesystem::path(DisplayName(input)).filename().string();
    if (name.empty()) name = "video";
    for (char& c : name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == ':' || c == '"') c = '_';
    }
    std::string path;
    for (int number = 1; path.empty() || std::find(paths.begin(), paths.end(), path) != paths.end(); ++number) {
      const std::string suffix = number == 1 ? ".html" : absl::StrCat(".", number, ".html");
      path = (std::filesystem::path(report) / (name + suffix)).string();
    }
    paths.push_back(path);
  }
  return paths;
}

// Where an input lies on this machine's disk, or empty. Standard input may be a file too.
std::string LocalPath(const std::string& input) {
  constexpr std::string_view kScheme = "file://";
  if (input == "-") return "/proc/self/fd/0";
  if (std::string_view(input).substr(0, kScheme.size()) == kScheme) return input.substr(kScheme.size());
  return IsUri(input) ? "" : input;
}

absl::Status CheckPlaces(const std::vector<std::string>& inputs, const std::string& output, const std::string& report) {
  const auto check = [&](const char* flag, const std::string& path, bool make_folders) {
    if (const absl::Status status = CheckWritable(path, make_folders); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(flag, ": ", status.message()));
    }
    for (const std::string& input : inputs) {
      if (SameFile(LocalPath(input), path)) {
        return absl::InvalidArgumentError(absl::StrCat(flag, ": ", path, " is an input and would be overwritten"));
      }
    }
    return absl::OkStatus();
  };
  if (output != "-") RETURN_IF_ERROR(check("--output", output, /*make_folders=*/false));
  if (report.empty()) return absl::OkStatus();
  if (report == "-") return absl::InvalidArgumentError("--report: takes a file or a folder, not standard output");
  std::error_code ignored;
  if (inputs.size() > 1 && std::filesystem::exists(report, ignored) &&
      !std::filesystem::is_directory(report, ignored)) {
    return absl::InvalidArgumentError("--report: with several inputs it names a folder, but this is a file");
  }
  for (const std::string& path : ReportPaths(report, inputs)) {
    RETURN_IF_ERROR(check("--report", path, /*make_folders=*/true));
    // Two devices such as /dev/null may well be the same.
    if (output != "-" && SameFile(output, path) && !std::filesystem::is_character_file(path, ignored)) {
      return absl::InvalidArgumentError("--report: is the file of --output");
    }
  }
  return absl::OkStatus();
}

ExitCode AnalyzeRunner::Run(const CancelToken& cancel) {
  ExitCode code = ExitCode::kOk;
  for (size_t i = 0; i < options_.inputs.size(); ++i) {
    code = Worse(code, RunOne(i, cancel));
    if (cancel.cancelled()) return ExitCode::kInterrupted;
    if (code == ExitCode::kUsage || reader_gone_) return code;
  }
  if (options_.output != "-" && !collected_.empty()) {
    const absl::Status written = WriteFileAtomically(options_.output, collected_);
    if (!written.ok()) {
      Complain("", written);
      return ExitCode::kFailed;
    }
  }
  return code;
}

ExitCode AnalyzeRunner::RunOne(size_t index, const CancelToken& cancel) {
  const std::string& input = options_.inputs[index];
  const bool several = options_.inputs.size() > 1;
  absl::StatusOr<v1::AnalyzeResponse> response = AnalyzeOne(index, cancel);
  if (cancel.cancelled()) {
    if (!options_.quiet) Complain("", cancel.status());
    return ExitCode::kInterrupted;
  }
  if (!response.ok()) {
    const std::vector<std::string> names(options_.request.analyzers().begin(), options_.request.analyzers().end());
    if (const absl::Status usage = AsUsageError(response.status(), names); !usage.ok()) {
      Complain("", usage);
      return ExitCode::kUsage;
    }
    Complain(input, response.status());
    if (several && options_.format == DocumentFormat::kJson) {
      const absl::Status emitted = Emit(absl::StrCat("{\"input\":", JsonString(InputName(input)),
                                                     ",\"error\":", ErrorToJson(response.status()), "}\n"));
      if (!emitted.ok() && !reader_gone_) Complain("", emitted);
    }
    return ExitCode::kFailed;
  }
  if (!options_.quiet && !told_left_out_ && options_.request.analyzers().empty()) TellLeftOut(*response, cancel);
  ExitCode code = AllOk(*response) ? ExitCode::kOk : ExitCode::kSomeAnalyzersFailed;
  v1::AnalyzeResponse for_document;
  if (options_.masks_for_report_only) {
    for_document = *response;
    report::ClearMasks(&for_document);
  }
  const std::string document = Document(index, options_.masks_for_report_only ? for_document : *response);
  if (const absl::Status emitted = Emit(document); !emitted.ok()) {
    if (!reader_gone_) Complain("", emitted);
    code = ExitCode::kFailed;
  }
  if (!options_.report.empty()) {
    if (const absl::Status written = WriteReport(index, *std::move(response), cancel); !written.ok()) {
      Complain("", Annotate(written, "report"));
      code = Worse(code, cancel.cancelled() ? ExitCode::kInterrupted : ExitCode::kFailed);
    }
  }
  return code;
}

void AnalyzeRunner::TellLeftOut(const v1::AnalyzeResponse& response, const CancelToken& cancel) {
  told_left_out_ = true;
  const auto list = backend_.ListAnalyzers(cancel);
  if (!list.ok()) return;
  std::vector<std::string> names;
  bool for_models = false;
  for (const auto& analyzer : list->analyzers()) {
    const bool ran = std::any_of(response.results().begin(), response.results().end(),
                                 [&](const auto& result) { return result.analyzer() == analyzer.name(); });
    if (ran || analyzer.available()) continue;
    names.push_back(analyzer.name());
    for_models = for_models || absl::StrContains(analyzer.unavailable_reason(), kPullCommand);
  }
  if (names.empty()) return;
  std::string text = absl::StrCat("left out, not available: ", absl::StrJoin(names, ", "));
  if (for_models) {
    absl::StrAppend(&text, "; get the default models by: ", kPullCommand, " --defaults",
                    options_.server.empty() ? "" : ", on the server");
  } else {
    absl::StrAppend(&text, "; why: reelsight analyzers",
                    options_.server.empty() ? "" : absl::StrCat(" --server ", options_.server));
  }
  std::fprintf(stderr, "reelsight: %s\n", Printable(text).c_str());
}

absl::StatusOr<v1::AnalyzeResponse> AnalyzeRunner::AnalyzeOne(size_t index, const CancelToken& cancel) {
  const std::string& input = options_.inputs[index];
  // A token of its own for each video: its deadline must not end the others.
  const CancelToken video_cancel;
  const CancelToken::Callback follow(cancel, [&] { video_cancel.Cancel(cancel.status()); });
  if (options_.timeout < absl::InfiniteDuration()) {
    video_cancel.SetDeadline(CancelToken::Clock::now() + absl::ToChronoNanoseconds(options_.timeout));
  }
  if (options_.quiet || !err_.interactive) {
    return NamedAsGiven(backend_.Analyze(PathOf(input), options_.request, nullptr, video_cancel));
  }
  const std::string number =
      options_.inputs.size() > 1 ? absl::StrCat("[", index + 1, "/", options_.inputs.size(), "] ") : "";
  ProgressBars bars(number + DisplayName(input), err_, stderr);
  BarsObserver observer(bars);
  return NamedAsGiven(backend_.Analyze(PathOf(input), options_.request, &observer, video_cancel));
}

absl::StatusOr<v1::AnalyzeResponse> AnalyzeRunner::NamedAsGiven(absl::StatusOr<v1::AnalyzeResponse> response) const {
  const absl::Status& status = response.status();
  if (status.ok() || options_.stdin_path.empty() || !absl::StrContains(status.message(), options_.stdin_path)) {
    return response;
  }
  absl::Status named(status.code(), absl::StrReplaceAll(status.message(), {{options_.stdin_path, DisplayName("-")}}));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

std::string AnalyzeRunner::Document(size_t index, const v1::AnalyzeResponse& response) const {
  const std::string& input = options_.inputs[index];
  const bool several = options_.inputs.size() > 1;
  switch (options_.format) {
    case DocumentFormat::kJson:
      if (!several) return ToJson(response, /*pretty=*/true) + "\n";
      return absl::StrCat("{\"input\":", JsonString(InputName(input)),
                          ",\"response\":", ToJson(response, /*pretty=*/false), "}\n");
    case DocumentFormat::kTextproto:
      if (!several) return ToTextproto(response);
      return absl::StrCat("# input: ", Printable(InputName(input)), "\n", ToTextproto(response));
    case DocumentFormat::kText:
      break;
  }
  return absl::StrCat(index == 0 ? "" : "\n", TextSummary(DisplayName(input), response, out_));
}

absl::Status AnalyzeRunner::Emit(const std::string& document) {
  if (options_.output == "-") {
    const absl::Status written = WriteStdout(document);
    reader_gone_ = written.code() == absl::StatusCode::kAborted;
    return written;
  }
  collected_ += document;
  return absl::OkStatus();
}

absl::Status AnalyzeRunner::WriteReport(size_t index, v1::AnalyzeResponse response, const CancelToken& cancel) {
  const std::string& input = options_.inputs[index];
  std::vector<report::KeyFrame> pictures;
  if (!IsUri(input)) {
    report::KeyFrameOptions key_frames;
    if (response.video().frame_rate() > 0) key_frames.frame_interval = absl::Seconds(1 / response.video().frame_rate());
    key_frames.sampled = report::SampledTimes(response);
    auto made = report::MakeKeyFrames(PathOf(input), response.timeline(), key_frames, cancel);
    RETURN_IF_ERROR(cancel.status());
    if (made.ok()) {
      pictures = *std::move(made);
    } else if (!options_.quiet) {
      // The report is still worth having.
      Complain(input, Annotate(made.status(), "the report has no pictures"));
    }
  }
  if (options_.masks_for_report_only) report::KeepMasksOfPictures(pictures, &response);
  const std::string path = ReportPaths(options_.report, options_.inputs)[index];
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const std::string name = std::filesystem::path(DisplayName(input)).filename().string();
  RETURN_IF_ERROR(WriteFileAtomically(path, report::RenderReport(name, process::Version(), response, pictures)));
  if (!options_.quiet && err_.interactive) std::fprintf(stderr, "report: %s\n", Printable(path).c_str());
  return absl::OkStatus();
}

void AnalyzeRunner::Complain(const std::string& input, const absl::Status& status) const {
  std::string text = absl::StrCat(Red(err_, "reelsight:"), " ");
  const std::string name = DisplayName(input);
  // Most messages say themselves which file they are about.
  if (!input.empty() && !absl::StrContains(status.message(), name)) absl::StrAppend(&text, Printable(name), ": ");
  absl::StrAppend(&text, Printable(std::string(status.message())));
  const std::string reason = GetReason(status);
  if (status.code() != absl::StatusCode::kCancelled) {
    absl::StrAppend(&text, " (", reason.empty() ? CodeName(status.code()) : reason, ")");
  }
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace reelsight::cli
