// SPDX-License-Identifier: Apache-2.0
//
// Figures of repeated runs over one clip, and the table they make. It starts no run: bench_command.cc does.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/terminal.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::cli {

// One run, as seen from outside.
struct BenchRun {
  // Wall time.
  absl::Duration elapsed;
  // Processor time of this process, all threads.
  absl::Duration cpu;
  v1::AnalyzeResponse response;
};

// What a bench found. The first run pays for what later ones find warm.
struct BenchReport {
  std::string clip;
  BenchRun first;
  std::vector<BenchRun> warm;
  // Most memory the process has held, in bytes.
  int64_t peak_rss_bytes = 0;
  int processors = 1;
  // The machine's GPU; empty: none.
  std::string gpu;
};

// One table of first run, median and spread of the warm ones.
std::string BenchTable(const BenchReport& report, const Terminal& terminal);
// The same as one JSON object; times are seconds.
std::string BenchJson(const BenchReport& report);

}  // namespace reelsight::cli
