// SPDX-License-Identifier: Apache-2.0
//
// Takes decoded frames in order, converts each once per frame spec for the analyzers that the schedule gives it to, and
// hands full batches on. The heart of "decode once".
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/fanout/batch_builder.h"
#include "orchestrator/plan/analysis_plan.h"
#include "shared/analysis/frame_pool.h"

namespace reelsight::orchestrator {

// Used by one thread at a time. Borrows everything it is given.
class FrameFeeder {
 public:
  struct Options {
    std::string request_id;
    analyzer::v1::VideoFacts video;
  };
  // Hands a batch to a service; may block.
  using Sink = std::function<absl::Status(int endpoint, std::shared_ptr<const analysis::Batch>)>;

  struct Stats {
    int64_t frames_analyzed = 0;
    int64_t shared_conversions = 0;
    absl::Duration convert_time;
    // Time blocked because the frame budget was spent or a service's queue was full.
    absl::Duration wait_time;
  };

  // Analyzers of `plan` whose status is not OK are left out.
  FrameFeeder(const AnalysisPlan& plan, Options options, FrameConverter& converter, analysis::FramePool& pool,
              Sink sink);

  // Takes the next frame, whose decision says for whom it is. No context reaches from one segment into the next.
  absl::Status Feed(const DecodedFrame& frame, const CancelToken& cancel);
  // Sends what is gathered.
  absl::Status Flush();
  // Drops the frames kept back.
  void ReleaseFrames();
  // Prepares no more for the analyzer.
  void GiveUp(const std::string& analyzer);
  // Frames that each analyzer will answer so far.
  const std::map<std::string, int64_t>& targets() const { return targets_; }
  const Stats& stats() const { return stats_; }

 private:
  // One analyzer as it is fed.
  struct Consumer {
    const PlannedAnalyzer* planned = nullptr;
    int group = 0;
    int member = 0;
    bool given_up = false;
    // The last sampled frames, where it needs them as context.
    std::deque<analysis::Frame> sampled;
  };
  struct Group {
    int endpoint = 0;
    analysis::FrameSpec spec;
    std::unique_ptr<BatchBuilder> builder;
  };
  // A decoded frame that may still be needed, and the pictures made of it.
  struct Recent {
    DecodedFrame decoded;
    std::map<analysis::FrameSpec, std::shared_ptr<const analysis::Image>> images;
  };

  absl::StatusOr<analysis::Frame> MakePicture(Recent& recent, const analysis::FrameSpec& spec,
                                              const CancelToken& cancel);
  absl::StatusOr<std::shared_ptr<analysis::Image>> AllocatePicture(const analysis::FrameSpec& spec,
                                                                   const CancelToken& cancel);
  absl::Status FeedConsumer(Consumer& consumer, const CancelToken& cancel);
  absl::Status SendBatch(Group& group);

  const Options options_;
  FrameConverter& converter_;
  analysis::FramePool& pool_;
  const Sink sink_;
  // By place in the plan; without `planned` where the analyzer does not run.
  std::vector<Consumer> consumers_;
  // The segment of the last frame.
  int segment_ = -1;
  std::vector<Group> groups_;
  // Newest last; as many before it as any analyzer needs decoded neighbours.
  std::deque<Recent> recent_;
  size_t neighbours_ = 0;
  // How many of the newest frames keep their picture of a spec.
  std::map<analysis::FrameSpec, size_t> neighbours_of_;
  std::map<std::string, int64_t> targets_;
  Stats stats_;
};

}  // namespace reelsight::orchestrator
