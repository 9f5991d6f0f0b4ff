// SPDX-License-Identifier: Apache-2.0
//
// Puts everything that analyzers saw on one axis of time: scenes, in them shots, in them entries.
#pragma once

#include <string>
#include <vector>

#include "orchestrator/plan/time_span.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "reelsight/v1/timeline.pb.h"

namespace reelsight::orchestrator {

// What one analyzer saw.
struct AnalyzerEntries {
  std::string analyzer;
  std::vector<analyzer::v1::TimelineEntry> entries;
};

// `segments`: what was analysed, in order of time, without overlap, each not empty. Shots are those of the first
// analyzer that reports any, scenes likewise; whatever they are, the timeline's shots and scenes tile the segments:
// gaps are filled, overlaps cut, and a scene boundary inside a shot moves to the shot's end.
v1::Timeline BuildTimeline(const std::vector<AnalyzerEntries>& analyzers, const std::vector<TimeSpan>& segments);

}  // namespace reelsight::orchestrator
