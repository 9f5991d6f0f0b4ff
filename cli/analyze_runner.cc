// SPDX-License-Identifier: Apache-2.0
#include "cli/analyze_runner.h"

#include <filesystem>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/analyze_options.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/report/key_frames.h"
#include "cli/report/report.h"
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

// What a person calls the video: a URI without user, password, query and fragment, which may hold secrets.
std::string DisplayName(const std::string& input) {
  const size_t scheme = input.find("://");
  if (scheme == std::string::npos) return input;
  std::string name = input.substr(0, input.find_first_of("?#"));
  const size_t host = scheme + 3;
  const size_t slash = name.find('/', host);
  const size_t at = name.rfind('@', slash);
  if (at != std::string::npos && at >= host) name.erase(host, at + 1 - host);
  return name;
}

bool AllOk(const v1::AnalyzeResponse& response) {
  for (const v1::AnalyzerResult& result : response.results()) {
    if (result.status().code() != v1::AnalyzerStatus::OK) return false;
  }
  return true;
}

}  // namespace

std::string ReportPath(const std::string& report, const std::string& input, bool several) {
  std::error_code ignored;
  if (!several && !std::filesystem::is_directory(report, ignored) && report.back() != '/') return report;
  std::string name = std::filesystem::path(DisplayName(input)).filename().string();
  if (name.empty()) name = "video";
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == ':' || c == '"') c = '_';
  }
  return (std::filesystem::path(report) / (name + ".html")).string();
}

ExitCode AnalyzeRunner::Run(const CancelToken& cancel) {
  ExitCode code = ExitCode::kOk;
  for (const std::string& input : options_.inputs) {
    code = Worse(code, RunOne(input, cancel));
    if (cancel.cancelled()) return ExitCode::kInterrupted;
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

ExitCode AnalyzeRunner::RunOne(const std::string& input, const CancelToken& cancel) {
  const bool several = options_.inputs.size() > 1;
  absl::StatusOr<v1::AnalyzeResponse> response = AnalyzeOne(input, cancel);
  if (cancel.cancelled()) {
    if (!options_.quiet) Complain("", cancel.status());
    return ExitCode::kInterrupted;
  }
  if (!response.ok()) {
    Complain(input, response.status());
    if (several && options_.format == DocumentFormat::kJson) {
      const absl::Status emitted =
          Emit(absl::StrCat("{\"input\":", JsonString(input), ",\"error\":", ErrorToJson(response.status()), "}\n"));
      if (!emitted.ok()) Complain("", emitted);
    }
    return ExitCode::kFailed;
  }
  ExitCode code = AllOk(*response) ? ExitCode::kOk : ExitCode::kSomeAnalyzersFailed;
  if (const absl::Status emitted = Emit(Document(input, *response)); !emitted.ok()) {
    Complain("", emitted);
    code = ExitCode::kFailed;
  }
  if (!options_.report.empty()) {
    if (const absl::Status written = WriteReport(input, *response, cancel); !written.ok()) {
      Complain("", Annotate(written, "report"));
      code = Worse(code, cancel.cancelled() ? ExitCode::kInterrupted : ExitCode::kFailed);
    }
  }
  return code;
}

absl::StatusOr<v1::AnalyzeResponse> AnalyzeRunner::AnalyzeOne(const std::string& input, const CancelToken& cancel) {
  // A token of its own for each video: its deadline must not end the others.
  const CancelToken video_cancel;
  const CancelToken::Callback follow(cancel, [&] { video_cancel.Cancel(cancel.status()); });
  if (options_.timeout < absl::InfiniteDuration()) {
    video_cancel.SetDeadline(CancelToken::Clock::now() + absl::ToChronoNanoseconds(options_.timeout));
  }
  if (options_.quiet || !err_.interactive) return backend_.Analyze(input, options_.request, nullptr, video_cancel);
  ProgressBars bars(DisplayName(input), err_, stderr);
  BarsObserver observer(bars);
  return backend_.Analyze(input, options_.request, &observer, video_cancel);
}

std::string AnalyzeRunner::Document(const std::string& input, const v1::AnalyzeResponse& response) const {
  const bool several = options_.inputs.size() > 1;
  switch (options_.format) {
    case DocumentFormat::kJson:
      if (!several) return ToJson(response, /*pretty=*/true) + "\n";
      return absl::StrCat("{\"input\":", JsonString(input), ",\"response\":", ToJson(response, /*pretty=*/false),
                          "}\n");
    case DocumentFormat::kTextproto:
      if (!several) return ToTextproto(response);
      return absl::StrCat("# input: ", Printable(input), "\n", ToTextproto(response));
    case DocumentFormat::kText:
      break;
  }
  const bool first = input == options_.inputs.front();
  return absl::StrCat(first ? "" : "\n", TextSummary(DisplayName(input), response, out_));
}

absl::Status AnalyzeRunner::Emit(const std::string& document) {
  if (options_.output == "-") return WriteStdout(document);
  collected_ += document;
  return absl::OkStatus();
}

absl::Status AnalyzeRunner::WriteReport(const std::string& input, const v1::AnalyzeResponse& response,
                                        const CancelToken& cancel) {
  std::vector<report::KeyFrame> pictures;
  if (!IsUri(input)) {
    auto made = report::MakeKeyFrames(input, response.timeline(), {}, cancel);
    RETURN_IF_ERROR(cancel.status());
    if (made.ok()) {
      pictures = *std::move(made);
    } else if (!options_.quiet) {
      // The report is still worth having.
      Complain(input, Annotate(made.status(), "the report has no pictures"));
    }
  }
  const std::string path = ReportPath(options_.report, input, options_.inputs.size() > 1);
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const std::string name = std::filesystem::path(DisplayName(input)).filename().string();
  RETURN_IF_ERROR(WriteFileAtomically(path, report::RenderReport(name, process::Version(), response, pictures)));
  if (!options_.quiet && err_.interactive) std::fprintf(stderr, "report: %s\n", Printable(path).c_str());
  return absl::OkStatus();
}

void AnalyzeRunner::Complain(const std::string& input, const absl::Status& status) const {
  std::string text = absl::StrCat(Red(err_, "reelsight:"), " ");
  if (!input.empty()) absl::StrAppend(&text, Printable(DisplayName(input)), ": ");
  absl::StrAppend(&text, Printable(std::string(status.message())));
  const std::string reason = GetReason(status);
  if (status.code() != absl::StatusCode::kCancelled) {
    absl::StrAppend(&text, " (", reason.empty() ? CodeName(status.code()) : reason, ")");
  }
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace reelsight::cli
