// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/analyzer_driver.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::testing {
namespace {

std::unique_ptr<analysis::AnalyzerHost> MakeHost(std::unique_ptr<analysis::Analyzer> analyzer) {
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(std::move(analyzer));
  return *analysis::AnalyzerHost::Create("test", "1", std::move(analyzers), 1);
}

}  // namespace

AnalyzerDriver::AnalyzerDriver(std::unique_ptr<analysis::Analyzer> analyzer, absl::Duration interval)
    : name_(analyzer->Describe().name()), interval_(interval), host_(MakeHost(std::move(analyzer))) {}

analyzer::v1::SummarizeRequest AnalyzerDriver::MakeRequest(const Pictures& pictures, const Batches& batches) {
  std::map<int64_t, analyzer::v1::FrameResult> results;
  for (const std::vector<int64_t>& indexes : batches) {
    analysis::Batch batch;
    for (const int64_t index : indexes) batch.frames.push_back({index, index * interval_, pictures[index]});
    batch.work.push_back({.analyzer = name_, .options = {}, .target_indexes = indexes, .context_indexes = {}});
    const auto response = host_->AnalyzeFrames(batch, CancelToken());
    if (!response.ok() || response->results(0).failure().code() != 0) {
      ADD_FAILURE() << response.status() << (response.ok() ? response->results(0).failure().DebugString() : "");
      continue;
    }
    for (const analyzer::v1::FrameResult& result : response->results(0).results()) results[result.index()] = result;
  }
  analyzer::v1::SummarizeRequest request;
  request.set_analyzer(name_);
  for (const auto& [index, result] : results) *request.add_results() = result;
  *request.add_segments()->mutable_end_offset() = analysis::ToProto(static_cast<int64_t>(pictures.size()) * interval_);
  return request;
}

analyzer::v1::SummarizeRequest AnalyzerDriver::MakeRequest(const Pictures& pictures) {
  std::vector<int64_t> all(pictures.size());
  std::iota(all.begin(), all.end(), 0);
  return MakeRequest(pictures, {all});
}

absl::StatusOr<analyzer::v1::SummarizeResponse> AnalyzerDriver::Summarize(const analyzer::v1::SummarizeRequest& request,
                                                                          const CancelToken& cancel) {
  return host_->Summarize(request, cancel);
}

AnalyzerDriver::Batches AnalyzerDriver::ShuffledBatches(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  Batches batches;
  for (int64_t next = 0; next < count;) {
    std::vector<int64_t>& batch = batches.emplace_back();
    const int64_t length = 1 + static_cast<int64_t>(random() % 40);
    while (next < count && static_cast<int64_t>(batch.size()) < length) batch.push_back(next++);
  }
  std::shuffle(batches.begin(), batches.end(), random);
  return batches;
}

}  // namespace reelsight::testing
