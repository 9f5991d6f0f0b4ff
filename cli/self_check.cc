// SPDX-License-Identifier: Apache-2.0
//
// The self-test of `doctor`: a whole run over a clip whose cuts are known.
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/doctor_checks.h"
#include "cli/embedded_backend.h"
#include "cli/test_clip.h"
#include "cli/time_text.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::cli {
namespace {

using State = Finding::State;

constexpr char kReinstall[] = "install Reelsight again; if that does not help, report it with this output";

Finding CheckAnalyzers(EmbeddedBackend& backend, const CancelToken& cancel) {
  const auto list = backend.ListAnalyzers(cancel);
  if (!list.ok()) return {"analyzers", State::kFailed, std::string(list.status().message()), kReinstall};
  std::vector<std::string> ready, missing;
  for (const auto& analyzer : list->analyzers()) {
    if (analyzer.available()) {
      ready.push_back(analyzer.name());
    } else {
      missing.push_back(absl::StrCat(analyzer.name(), ": ", analyzer.unavailable_reason()));
    }
  }
  if (ready.empty()) return {"analyzers", State::kFailed, absl::StrJoin(missing, "; "), kReinstall};
  if (!missing.empty()) {
    return {"analyzers", State::kNote,
            absl::StrCat(absl::StrJoin(ready, ", "), "; not ", absl::StrJoin(missing, "; not ")),
            "reelsight models pull --defaults"};
  }
  return {"analyzers", State::kGood, absl::StrJoin(ready, ", "), ""};
}

// What is wrong with the response, or empty.
std::string Fault(const TestClip& clip, const v1::AnalyzeResponse& response) {
  if (response.video().frame_count() != clip.frame_count) {
    return absl::StrCat(response.video().frame_count(), " frames decoded of ", clip.frame_count);
  }
  std::vector<absl::Duration> cuts;
  for (const v1::AnalyzerResult& result : response.results()) {
    if (result.status().code() != v1::AnalyzerStatus::OK) {
      return absl::StrCat(result.analyzer(), ": ", result.status().message());
    }
    for (const auto& transition : result.cut_analysis().transitions()) {
      cuts.push_back(analysis::FromProto(transition.start_offset()));
    }
  }
  bool same = cuts.size() == clip.cuts.size();
  for (size_t i = 0; same && i < cuts.size(); ++i)
    same = absl::AbsDuration(cuts[i] - clip.cuts[i]) < absl::Milliseconds(1);
  if (same) return "";
  const auto text = [](const std::vector<absl::Duration>& times) {
    return absl::StrJoin(times, ", ", [](std::string* out, absl::Duration time) { out->append(FormatPlace(time)); });
  };
  return absl::StrCat("cuts found at ", cuts.empty() ? "no place" : text(cuts), "; they are at ", text(clip.cuts));
}

Finding RunClip(EmbeddedBackend& backend, const CancelToken& cancel) {
  Finding finding{"self-test", State::kFailed, "", kReinstall};
  auto clip = MakeTestClip();
  if (!clip.ok()) {
    finding.found = std::string(clip.status().message());
    return finding;
  }
  v1::AnalyzeRequest request;
  request.set_content(clip->avi);
  const auto start = std::chrono::steady_clock::now();
  const auto response = backend.orchestrator().AnalyzeAndWait(request, nullptr, cancel);
  const absl::Duration elapsed = absl::FromChrono(std::chrono::steady_clock::now() - start);
  if (!response.ok()) {
    finding.found = std::string(response.status().message());
    return finding;
  }
  finding.found = Fault(*clip, *response);
  if (!finding.found.empty()) return finding;
  return {"self-test", State::kGood,
          absl::StrCat(clip->frame_count, " frames, ", response->results_size(), " analyzers, ", clip->cuts.size(),
                       " cuts found where they are, in ", FormatLength(elapsed)),
          ""};
}

}  // namespace

std::vector<Finding> CheckAnalysis(const CancelToken& cancel) {
  const auto backend = EmbeddedBackend::Create(EmbeddedBackend::PersonalConfig(), 0);
  if (!backend.ok()) {
    return {{"engine", State::kFailed, std::string(backend.status().message()),
             "see what failed above; else " + std::string(kReinstall)}};
  }
  return {CheckAnalyzers(**backend, cancel), RunClip(**backend, cancel)};
}

}  // namespace reelsight::cli
