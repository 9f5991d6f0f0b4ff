// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/local_analyzer_client.h"

#include <utility>

namespace reelsight::analysis {

void LocalAnalyzerClient::Describe(const CancelToken&, DescribeCallback done) { done(host_.Describe()); }

void LocalAnalyzerClient::AnalyzeFrames(std::shared_ptr<const Batch> batch, const CancelToken& cancel,
                                        BatchCallback done) {
  const std::string client = batch->request_id;
  const auto arrival = std::chrono::steady_clock::now();
  const absl::Status queued =
      executor_.Submit(client, [this, batch = std::move(batch), cancel, done, arrival]() mutable {
        if (on_start_ != nullptr) on_start_(*batch, std::chrono::steady_clock::now() - arrival);
        absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> response = host_.AnalyzeFrames(*batch, cancel);
        batch.reset();  // Frees the frames before the caller, woken by `done`, asks for more.
        done(std::move(response));
      });
  if (!queued.ok()) done(queued);
}

void LocalAnalyzerClient::Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request,
                                    const CancelToken& cancel, SummarizeCallback done) {
  const std::string client = request->request_id();
  const absl::Status queued = executor_.Submit(client, [this, request = std::move(request), cancel, done]() mutable {
    absl::StatusOr<analyzer::v1::SummarizeResponse> response = host_.Summarize(*request, cancel);
    request.reset();  // The results of all frames: freed before the run, told by `done`, can end.
    done(std::move(response));
  });
  if (!queued.ok()) done(queued);
}

}  // namespace reelsight::analysis
