// SPDX-License-Identifier: Apache-2.0
//
// Gathers frames into batches for analyzers that share a service and a frame spec. Plain logic: no threads, no clients.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shared/analysis/frame.h"

namespace reelsight::orchestrator {

// Used by one thread at a time.
class BatchBuilder {
 public:
  struct Member {
    std::string analyzer;
    google::protobuf::Any options;
    // Targets that make a batch; at least 1.
    int batch_frames = 32;
  };
  // Pixels of one batch at most, unless a single target with its context is larger. Between 1 and 11 MB gRPC moves
  // bytes fastest.
  static constexpr int64_t kMaxBatchBytes = 8 << 20;

  BatchBuilder(std::string request_id, analyzer::v1::VideoFacts video, std::vector<Member> members);

  // Adds a target for the member, and the frames it needs as context. A frame that is there already is not added
  // again. Targets of one member come in ascending order.
  void AddTarget(int member, const analysis::Frame& target, const std::vector<analysis::Frame>& context);

  // True if the batch should go before more is added.
  bool full() const { return full_; }
  bool empty() const { return frames_.empty(); }
  // What was gathered, or null; begins anew.
  std::shared_ptr<const analysis::Batch> TakeBatch();

 private:
  struct Gathered {
    std::vector<int64_t> targets;
    std::vector<int64_t> context;
  };
  void AddFrame(const analysis::Frame& frame);

  const std::string request_id_;
  const analyzer::v1::VideoFacts video_;
  const std::vector<Member> members_;
  std::map<int64_t, analysis::Frame> frames_;
  std::vector<Gathered> gathered_;
  int64_t bytes_ = 0;
  int64_t largest_step_bytes_ = 0;
  bool full_ = false;
};

}  // namespace reelsight::orchestrator
