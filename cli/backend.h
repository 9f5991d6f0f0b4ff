// SPDX-License-Identifier: Apache-2.0
//
// What analyses videos for the commands: this very process (EmbeddedBackend) or a server (RemoteBackend). The answers
// are the same.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/orchestrator.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/cancel_token.h"

namespace reelsight::cli {

// RunObserver that also hears of uploads. Same rules.
class AnalysisObserver : public orchestrator::RunObserver {
 public:
  virtual void OnUpload(int64_t sent_bytes, int64_t total_bytes) {
    static_cast<void>(sent_bytes);
    static_cast<void>(total_bytes);
  }
};

// Thread-safe. Calls block.
class Backend {
 public:
  virtual ~Backend() = default;

  // Analyses `input`, a path of this machine or a URI. `request` has no source. `observer` may be null.
  virtual absl::StatusOr<v1::AnalyzeResponse> Analyze(const std::string& input, v1::AnalyzeRequest request,
                                                      AnalysisObserver* observer, const CancelToken& cancel) = 0;
  virtual absl::StatusOr<v1::ListAnalyzersResponse> ListAnalyzers(const CancelToken& cancel) = 0;
};

}  // namespace reelsight::cli
