// SPDX-License-Identifier: Apache-2.0
//
// What `analyze` does once its arguments are understood: analyses one video after the other, writes the documents and
// reports, and decides the exit status. It knows no flag parser and no signal.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/backend.h"
#include "cli/document.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/cancel_token.h"

namespace reelsight::cli {

class AnalyzeRunner {
 public:
  struct Options {
    // Paths or URIs; at least one. `-` is standard input.
    std::vector<std::string> inputs;
    // The file that holds what came on standard input.
    std::string stdin_path;
    // The request of each, without its source.
    v1::AnalyzeRequest request;
    // One input gives the document itself. Several give, in the order of inputs: as text one page after the other; as
    // JSON one line each, {"input": "...", "response": {...}} or {"input": "...", "error": {...}}; as textproto one
    // document after the other, each behind a comment line `# input: ...`.
    DocumentFormat format = DocumentFormat::kText;
    // `-`: standard output, each document as soon as it is there; else a file, written whole at the end.
    std::string output = "-";
    // HTML report; empty: none. With several inputs a folder, which gets a file for each: see ReportPaths.
    std::string report;
    // The server that analyses, HOST:PORT; empty: this process.
    std::string server;
    // The request asks for masks for the report alone: documents go without them, and the report with those that it
    // draws. See report/report_masks.h.
    bool masks_for_report_only = false;
    // No progress and no notes; errors only.
    bool quiet = false;
    // Longest time for one video; infinite: no limit.
    absl::Duration timeout = absl::InfiniteDuration();
  };

  // `out` and `err`: what standard output and standard error can show. `backend` must outlive the runner.
  AnalyzeRunner(Options options, Terminal out, Terminal err, Backend& backend)
      : options_(std::move(options)), out_(out), err_(err), backend_(backend) {}

  // Blocks until all is done or `cancel` is cancelled: then the video under way stops, nothing more is written to a
  // file, and the answer is kInterrupted.
  ExitCode Run(const CancelToken& cancel);

 private:
  // `index`: place of the input among all.
  ExitCode RunOne(size_t index, const CancelToken& cancel);
  absl::StatusOr<v1::AnalyzeResponse> AnalyzeOne(size_t index, const CancelToken& cancel);
  // Says which analyzers a run of all did without, and what gets them.
  void TellLeftOut(const v1::AnalyzeResponse& response, const CancelToken& cancel);
  // `response`, with errors of standard input naming it instead of the path that it is read by.
  absl::StatusOr<v1::AnalyzeResponse> NamedAsGiven(absl::StatusOr<v1::AnalyzeResponse> response) const;
  absl::Status WriteReport(size_t index, v1::AnalyzeResponse response, const CancelToken& cancel);
  std::string Document(size_t index, const v1::AnalyzeResponse& response) const;
  const std::string& PathOf(const std::string& input) const { return input == "-" ? options_.stdin_path : input; }
  absl::Status Emit(const std::string& document);
  void Complain(const std::string& input, const absl::Status& status) const;

  const Options options_;
  const Terminal out_;
  const Terminal err_;
  Backend& backend_;
  // Nobody reads standard output any more: no reason to go on.
  bool reader_gone_ = false;
  // Told once, not for each video.
  bool told_left_out_ = false;
  // Documents for a file.
  std::string collected_;
};

// Where the report of each input goes: `report` itself for one input unless it is a folder; else NAME.html in the
// folder `report`, with characters that file names should not hold replaced; of inputs with the same name the second
// gets NAME.2.html, and so on.
std::vector<std::string> ReportPaths(const std::string& report, const std::vector<std::string>& inputs);

// INVALID_ARGUMENT that names the flag if `output` or `report` (empty: none) cannot be written, or if one would
// overwrite an input or the other. Nothing is written.
absl::Status CheckPlaces(const std::vector<std::string>& inputs, const std::string& output, const std::string& report);

}  // namespace reelsight::cli
