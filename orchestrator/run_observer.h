// SPDX-License-Identifier: Apache-2.0
//
// What the caller of a run hears: events while it goes on, and its end.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::orchestrator {

// Shared, because several callers may get the same answer.
using ResponsePtr = std::shared_ptr<const v1::AnalyzeResponse>;

// Told of a run's end, once, on any thread. Must not block.
using DoneCallback = std::function<void(absl::StatusOr<ResponsePtr>)>;

// Told how a run goes. Calls come one at a time, from threads of the orchestrator's, and must not block. None comes
// after the run's end was delivered.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void OnVideo(const v1::VideoInfo&) {}
  virtual void OnProgress(const v1::AnalyzeStreamResponse::Progress&) {}
  virtual void OnResult(const v1::AnalyzerResult&) {}
};

}  // namespace reelsight::orchestrator
