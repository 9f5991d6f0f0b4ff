// SPDX-License-Identifier: Apache-2.0
//
// Takes one analyzer through a video of pictures the way the orchestrator does, for the tests of analyzers.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shared/analysis/analyzer_host.h"

namespace reelsight::testing {

class AnalyzerDriver {
 public:
  using Pictures = std::vector<std::shared_ptr<const analysis::Image>>;
  // Indexes of the frames of each batch, in the order of sending; each batch ascending.
  using Batches = std::vector<std::vector<int64_t>>;

  // Frame i comes at i * interval.
  AnalyzerDriver(std::unique_ptr<analysis::Analyzer> analyzer, absl::Duration interval);

  // All frame results, and one segment over all pictures. A batch that fails fails the test.
  analyzer::v1::SummarizeRequest MakeRequest(const Pictures& pictures, const Batches& batches);
  // In one batch.
  analyzer::v1::SummarizeRequest MakeRequest(const Pictures& pictures);
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel = CancelToken());

  // The frames 0..count-1 in batches of uneven length, sent in a random order.
  static Batches ShuffledBatches(int64_t count, uint32_t seed);

 private:
  const std::string name_;
  const absl::Duration interval_;
  const std::unique_ptr<analysis::AnalyzerHost> host_;
};

}  // namespace reelsight::testing
