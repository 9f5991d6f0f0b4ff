// SPDX-License-Identifier: Apache-2.0
//
// Frames and batches as the orchestrator makes them and analyzers take them. In the embedded program these very objects
// reach the analyzer; a service rebuilds them from analyzer.v1 messages.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/any.pb.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "shared/analysis/image.h"

namespace reelsight::analysis {

struct Frame {
  // Place among the decoded frames of the video, from 0.
  int64_t index = 0;
  // Presentation time from the start of the video.
  absl::Duration offset;
  std::shared_ptr<const Image> image;
};

// What one analyzer is to do with a batch; see analyzer.v1.AnalyzerWork. Indexes name frames of the batch, ascending.
struct AnalyzerWork {
  std::string analyzer;
  // Empty type_url: defaults.
  google::protobuf::Any options;
  std::vector<int64_t> target_indexes;
  std::vector<int64_t> context_indexes;
};

struct Batch {
  std::string request_id;
  analyzer::v1::VideoFacts video;
  // Ascending by index, all of one size and layout.
  std::vector<Frame> frames;
  std::vector<AnalyzerWork> work;
};

// What one analyzer sees of a batch: its targets and their context, ascending.
struct BatchView {
  struct Item {
    const Frame* frame = nullptr;
    // False: context only; no result is wanted for it.
    bool target = true;
  };
  // What an analyzer tells of its work on a batch; thread-safe.
  struct Stats {
    std::atomic<int> cache_hits = 0;
    std::atomic<int> cache_misses = 0;
  };
  const analyzer::v1::VideoFacts* video = nullptr;
  const google::protobuf::Any* options = nullptr;
  // Id of the run, for fairness between runs; may be empty.
  std::string request_id;
  // Where to count; nullptr: nowhere.
  Stats* stats = nullptr;
  std::vector<Item> items;
};

}  // namespace reelsight::analysis
