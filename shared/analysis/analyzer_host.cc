// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/analyzer_host.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::analysis {
namespace {

// Merges targets and context into one ascending view. INVALID_ARGUMENT if an index is not in the batch, or if targets
// do not ascend: results come in their order, one for each.
absl::StatusOr<BatchView> MakeView(const Batch& batch, const AnalyzerWork& work,
                                   const std::map<int64_t, const Frame*>& frames) {
  BatchView view{.video = &batch.video, .options = &work.options, .request_id = batch.request_id, .items = {}};
  if (std::adjacent_find(work.target_indexes.begin(), work.target_indexes.end(), std::greater_equal<>()) !=
      work.target_indexes.end()) {
    return InvalidArgument(Reason::kBadFrame,
                           absl::StrCat("analyzer ", work.analyzer, ": its target_indexes must ascend"));
  }
  std::map<int64_t, bool> wanted;
  for (const int64_t index : work.context_indexes) wanted[index] = false;
  for (const int64_t index : work.target_indexes) wanted[index] = true;
  for (const auto& [index, target] : wanted) {
    const auto it = frames.find(index);
    if (it == frames.end()) {
      return InvalidArgument(Reason::kBadFrame,
                             absl::StrCat("analyzer ", work.analyzer, ": frame ", index, " is not in the batch"));
    }
    view.items.push_back({it->second, target});
  }
  return view;
}

absl::Status CheckFrames(const Batch& batch, std::map<int64_t, const Frame*>& frames) {
  for (const Frame& frame : batch.frames) {
    if (frame.image == nullptr || frame.image->size() != batch.frames[0].image->size() ||
        frame.image->format() != batch.frames[0].image->format()) {
      return InvalidArgument(Reason::kBadFrame, "all frames of a batch must have one size and layout");
    }
    if (const std::string problem = SideProblem(frame.image->size()); !problem.empty()) {
      return InvalidArgument(Reason::kBadFrame, absl::StrCat("frame ", frame.index, ": ", problem));
    }
    if (!frames.empty() && frame.index <= frames.rbegin()->first) {
      return InvalidArgument(Reason::kBadFrame, "frames of a batch must ascend by index");
    }
    frames.emplace(frame.index, &frame);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<AnalyzerHost>> AnalyzerHost::Create(std::string service, std::string version,
                                                                   std::vector<std::unique_ptr<Analyzer>> analyzers,
                                                                   int parallelism) {
  auto host = std::unique_ptr<AnalyzerHost>(new AnalyzerHost());
  host->service_ = std::move(service);
  host->version_ = std::move(version);
  host->parallelism_ = parallelism;
  for (std::unique_ptr<Analyzer>& analyzer : analyzers) {
    const std::string name = analyzer->Describe().name();
    if (!host->analyzers_.emplace(name, std::move(analyzer)).second) {
      return absl::InvalidArgumentError(absl::StrCat("analyzer ", name, " is there twice"));
    }
  }
  return host;
}

analyzer::v1::DescribeResponse AnalyzerHost::Describe() const {
  analyzer::v1::DescribeResponse response;
  response.set_service(service_);
  response.set_version(version_);
  response.set_parallelism(parallelism_);
  for (const auto& [name, analyzer] : analyzers_) *response.add_analyzers() = analyzer->Describe();
  return response;
}

absl::StatusOr<Analyzer*> AnalyzerHost::Find(const std::string& name) const {
  const auto it = analyzers_.find(name);
  if (it != analyzers_.end()) return it->second.get();
  return InvalidArgument(
      Reason::kUnknownAnalyzer,
      absl::StrCat("service ", service_, " has no analyzer ", name, "; it has ",
                   absl::StrJoin(analyzers_, ", ", [](std::string* out, const auto& item) { *out += item.first; })));
}

absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> AnalyzerHost::AnalyzeFrames(const Batch& batch,
                                                                                const CancelToken& cancel) const {
  std::map<int64_t, const Frame*> frames;
  RETURN_IF_ERROR(CheckFrames(batch, frames));
  // Or an answer could be made many times as large as its batch.
  std::set<std::string_view> names;
  for (const AnalyzerWork& work : batch.work) {
    if (!names.insert(work.analyzer).second) {
      return InvalidField("work", absl::StrCat("names ", work.analyzer, " twice; give it all its frames at once"));
    }
  }
  analyzer::v1::AnalyzeFramesResponse response;
  for (const AnalyzerWork& work : batch.work) {
    RETURN_IF_ERROR(cancel.status());
    ASSIGN_OR_RETURN(BatchView view, MakeView(batch, work, frames));
    analyzer::v1::AnalyzerBatchResult& result = *response.add_results();
    result.set_analyzer(work.analyzer);
    // One that this replica lacks, because it is of another version, must not cost the others their answers.
    const absl::StatusOr<Analyzer*> analyzer = Find(work.analyzer);
    absl::StatusOr<std::vector<std::string>> payloads;
    if (analyzer.ok()) {
      BatchView::Stats stats;
      view.stats = &stats;
      payloads = (*analyzer)->AnalyzeFrames(view, cancel);
      result.set_cache_hits(stats.cache_hits);
      result.set_cache_misses(stats.cache_misses);
    } else {
      payloads = analyzer.status();
    }
    if (payloads.ok() && payloads->size() != work.target_indexes.size()) {
      payloads = MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                           absl::StrCat(work.analyzer, " gave ", payloads->size(), " results for ",
                                        work.target_indexes.size(), " frames"));
    }
    if (!payloads.ok()) {
      RETURN_IF_ERROR(cancel.status());
      *result.mutable_failure() = ToFailure(payloads.status());
      continue;
    }
    size_t next = 0;
    for (const BatchView::Item& item : view.items) {
      if (!item.target) continue;
      analyzer::v1::FrameResult& frame_result = *result.add_results();
      frame_result.set_index(item.frame->index);
      *frame_result.mutable_offset() = ToProto(item.frame->offset);
      frame_result.set_payload(std::move((*payloads)[next++]));
    }
  }
  return response;
}

absl::StatusOr<analyzer::v1::SummarizeResponse> AnalyzerHost::Summarize(const analyzer::v1::SummarizeRequest& request,
                                                                        const CancelToken& cancel) const {
  RETURN_IF_ERROR(cancel.status());
  // What overlaps would be answered for each segment anew.
  absl::Duration last_end = absl::ZeroDuration();
  for (const analyzer::v1::Segment& segment : request.segments()) {
    const absl::Duration start = FromProto(segment.start_offset()), end = FromProto(segment.end_offset());
    if (start < last_end || end < start) return InvalidField("segments", "must ascend and not overlap");
    last_end = end;
  }
  ASSIGN_OR_RETURN(Analyzer* const analyzer, Find(request.analyzer()));
  return analyzer->Summarize(request, cancel);
}

analyzer::v1::Failure ToFailure(const absl::Status& status) {
  analyzer::v1::Failure failure;
  failure.set_code(static_cast<int>(status.code()));
  failure.set_reason(GetReason(status));
  failure.set_message(std::string(status.message()));
  return failure;
}

absl::Status FromFailure(const analyzer::v1::Failure& failure) {
  if (failure.code() == 0) return absl::OkStatus();
  absl::Status status(static_cast<absl::StatusCode>(failure.code()), failure.message());
  return WithReasonName(std::move(status), failure.reason());
}

}  // namespace reelsight::analysis
