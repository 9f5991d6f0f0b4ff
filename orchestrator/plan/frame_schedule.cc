// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/frame_schedule.h"

#include <algorithm>
#include <utility>

namespace reelsight::orchestrator {
namespace {

std::vector<FrameSchedule::Consumer> ConsumersOf(const AnalysisPlan& plan, double frame_rate,
                                                 v1::AnalyzeRequest::SamplingProfile profile) {
  std::vector<FrameSchedule::Consumer> consumers;
  for (size_t i = 0; i < plan.analyzers.size(); ++i) {
    const PlannedAnalyzer& planned = plan.analyzers[i];
    if (!planned.status.ok()) continue;
    const analyzer::v1::Sampling& sampling = planned.description.sampling();
    const bool decoded = sampling.context_kind() == analyzer::v1::Sampling::CONTEXT_KIND_DECODED;
    consumers.push_back({static_cast<int>(i), planned.RuleFor(frame_rate, profile),
                         decoded ? std::max(0, sampling.context_frames()) : 0});
  }
  return consumers;
}

std::vector<TimeSpan> OrWholeVideo(std::vector<TimeSpan> segments) {
  if (segments.empty()) segments.push_back({absl::ZeroDuration(), absl::InfiniteDuration()});
  return segments;
}

}  // namespace

FrameSchedule::FrameSchedule(const AnalysisPlan& plan, double frame_rate, v1::AnalyzeRequest::SamplingProfile profile,
                             std::vector<TimeSpan> segments)
    : FrameSchedule(ConsumersOf(plan, frame_rate, profile), std::move(segments)) {}

FrameSchedule::FrameSchedule(std::vector<Consumer> consumers, std::vector<TimeSpan> segments)
    : consumers_(std::move(consumers)),
      segments_(OrWholeVideo(std::move(segments))),
      takes_every_frame_(std::any_of(consumers_.begin(), consumers_.end(),
                                     [](const Consumer& consumer) { return consumer.rule.every_frame(); })) {}

FrameDecision FrameSchedule::Decide(int64_t index, absl::Duration offset) {
  while (at_ < segments_.size() && offset >= segments_[at_].end) {
    ++at_;
    cursors_.clear();
  }
  FrameDecision decision;
  if (at_ == segments_.size() || offset < segments_[at_].start) return decision;
  decision.segment = static_cast<int>(at_);
  // Sampling starts anew with each segment.
  if (cursors_.empty()) {
    for (const Consumer& consumer : consumers_) cursors_.emplace_back(consumer.rule, segments_[at_].start);
  }
  for (size_t i = 0; i < consumers_.size(); ++i) {
    if (!cursors_[i].Take(index, offset)) continue;
    decision.takers.push_back(consumers_[i].place);
    decision.neighbours = std::max(decision.neighbours, consumers_[i].neighbours);
  }
  return decision;
}

}  // namespace reelsight::orchestrator
