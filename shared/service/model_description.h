// SPDX-License-Identifier: Apache-2.0
//
// What analyzers say of their models in the messages of analyzer.v1: which there are, whether they can be used, where
// they run, and whether they were loaded already. It is for analyzers; models know nothing of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "shared/analysis/frame.h"
#include "shared/base/cancel_token.h"
#include "shared/inference/model_source.h"

namespace reelsight::service {

// Acquire on behalf of `view`, whose cache hits and misses it counts.
absl::StatusOr<inference::PinnedModel> AcquireFor(const analysis::BatchView& view, inference::ModelSource& models,
                                                  std::string_view name, const CancelToken& cancel);

// Acquire on behalf of the summary `response`, whose cache hits and misses it counts.
absl::StatusOr<inference::PinnedModel> AcquireFor(analyzer::v1::SummarizeResponse& response,
                                                  inference::ModelSource& models, std::string_view name,
                                                  const CancelToken& cancel);

// What Describe and Summarize say of a model of `models`.
analyzer::v1::Model DescribeModel(const inference::ModelSource& models, const config::v1::ModelEntry& entry);

// Says which of `names` run on the CPU although the others have a GPU; empty: none.
std::string OnCpuBesideGpu(const inference::ModelSource& models, const std::vector<std::string>& names);

// Sets `available` and `unavailable_reason` of `description`, and adds the models, by what is installed of `names`. The
// reason names all that are missing, and one command that gets them; if none is, those of OnCpuBesideGpu.
void DescribeModels(const inference::ModelSource& models, const std::vector<std::string>& names,
                    analyzer::v1::AnalyzerDescription* description);

// Says in `response` that it was made with the models `names`, the main one first, and adds OnCpuBesideGpu to its
// warning. REQUIRES: the catalogue has them all; the analyzer's own warning is set.
absl::Status SetModels(const inference::ModelSource& models, const std::vector<std::string>& names,
                       analyzer::v1::SummarizeResponse* response);

}  // namespace reelsight::service
