// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/response_builder.h"

#include <utility>

#include "orchestrator/merge/analyzer_result.h"
#include "orchestrator/merge/summary_text.h"
#include "orchestrator/merge/timeline_builder.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::orchestrator {
namespace {

void AddStage(const char* name, absl::Duration time, v1::AnalyzeStats& stats) {
  v1::AnalyzeStats::Stage& stage = *stats.add_stages();
  stage.set_name(name);
  *stage.mutable_time() = analysis::ToProto(time);
}

v1::AnalyzeStats MakeStats(const ResponseBuilder::RunFacts& facts, const PipelineResult& pipeline,
                           absl::Duration merge_time) {
  v1::AnalyzeStats stats;
  *stats.mutable_elapsed() = analysis::ToProto(facts.since_admission.elapsed());
  AddStage("open", facts.open_time, stats);
  AddStage("decode", pipeline.decode_time, stats);
  AddStage("convert", pipeline.feeder.convert_time, stats);
  AddStage("wait", pipeline.feeder.wait_time, stats);
  AddStage("summarize", pipeline.summarize_time, stats);
  AddStage("merge", merge_time, stats);
  stats.set_frames_decoded(pipeline.frames_decoded);
  stats.set_frames_analyzed(pipeline.feeder.frames_analyzed);
  stats.set_source_bytes(facts.source_bytes);
  stats.set_sent_bytes(pipeline.sent_bytes);
  stats.set_shared_conversions(pipeline.feeder.shared_conversions);
  for (const AnalyzerOutcome& outcome : pipeline.outcomes) {
    stats.set_cache_hits(stats.cache_hits() + outcome.frames.cache_hits + outcome.summary.cache_hits());
    stats.set_cache_misses(stats.cache_misses() + outcome.frames.cache_misses + outcome.summary.cache_misses());
  }
  return stats;
}

}  // namespace

const v1::AnalyzerResult& ResponseBuilder::AddOutcome(int place, const AnalyzerOutcome& outcome,
                                                      absl::Duration elapsed) {
  results_[place] = MakeAnalyzerResult(plan_.analyzers[place], outcome, elapsed);
  return results_[place];
}

v1::AnalyzeResponse ResponseBuilder::BuildResponse(const RunFacts& facts, const PipelineResult& pipeline) {
  const Stopwatch stopwatch;
  v1::AnalyzeResponse response;
  response.set_request_id(facts.request_id);
  *response.mutable_video() = facts.video;
  *response.mutable_timeline() = MakeTimeline(pipeline);
  for (const int place : plan_.answer_order) *response.add_results() = std::move(results_[place]);
  response.set_summary(MakeSummaryText(response, plan_.left_out));
  *response.mutable_stats() = MakeStats(facts, pipeline, stopwatch.elapsed());
  return response;
}

v1::Timeline ResponseBuilder::MakeTimeline(const PipelineResult& pipeline) const {
  std::vector<AnalyzerEntries> entries;
  for (size_t i = 0; i < pipeline.outcomes.size(); ++i) {
    if (!pipeline.outcomes[i].status.ok()) continue;
    const auto& timeline = pipeline.outcomes[i].summary.timeline();
    entries.push_back({plan_.analyzers[i].description.name(), {timeline.begin(), timeline.end()}});
    // What was not asked for gives the timeline its shots and scenes, and nothing else.
    if (!plan_.analyzers[i].requested) {
      std::erase_if(entries.back().entries, [](const analyzer::v1::TimelineEntry& entry) {
        return entry.kind() == analyzer::v1::TimelineEntry::KIND_UNSPECIFIED;
      });
    }
  }
  return BuildTimeline(entries, pipeline.segments);
}

}  // namespace reelsight::orchestrator
