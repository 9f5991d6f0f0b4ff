// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/batch_builder.h"

#include <algorithm>
#include <utility>

namespace reelsight::orchestrator {

BatchBuilder::BatchBuilder(std::string request_id, analyzer::v1::VideoFacts video, std::vector<Member> members)
    : request_id_(std::move(request_id)),
      video_(std::move(video)),
      members_(std::move(members)),
      gathered_(members_.size()) {}

void BatchBuilder::AddFrame(const analysis::Frame& frame) {
  if (frames_.emplace(frame.index, frame).second) bytes_ += static_cast<int64_t>(frame.image->bytes().size());
}

void BatchBuilder::AddTarget(int member, const analysis::Frame& target, const std::vector<analysis::Frame>& context) {
  const int64_t before = bytes_;
  Gathered& gathered = gathered_[member];
  for (const analysis::Frame& frame : context) {
    AddFrame(frame);
    gathered.context.push_back(frame.index);
  }
  AddFrame(target);
  gathered.targets.push_back(target.index);
  largest_step_bytes_ = std::max(largest_step_bytes_, bytes_ - before);
  full_ = full_ || static_cast<int>(gathered.targets.size()) >= members_[member].batch_frames ||
          bytes_ + largest_step_bytes_ > kMaxBatchBytes;
}

std::shared_ptr<const analysis::Batch> BatchBuilder::TakeBatch() {
  if (frames_.empty()) return nullptr;
  auto batch = std::make_shared<analysis::Batch>();
  batch->request_id = request_id_;
  batch->video = video_;
  batch->frames.reserve(frames_.size());
  for (auto& [index, frame] : frames_) batch->frames.push_back(std::move(frame));
  for (size_t i = 0; i < members_.size(); ++i) {
    Gathered& gathered = gathered_[i];
    if (gathered.targets.empty()) continue;
    // A frame may be context of one target and a target itself, or context of several.
    std::sort(gathered.context.begin(), gathered.context.end());
    std::vector<int64_t> context;
    std::unique_copy(gathered.context.begin(), gathered.context.end(), std::back_inserter(context));
    std::erase_if(context, [&](int64_t index) {
      return std::binary_search(gathered.targets.begin(), gathered.targets.end(), index);
    });
    batch->work.push_back({.analyzer = members_[i].analyzer,
                           .options = members_[i].options,
                           .target_indexes = std::move(gathered.targets),
                           .context_indexes = std::move(context)});
    gathered = {};
  }
  frames_.clear();
  bytes_ = 0;
  full_ = false;
  return batch;
}

}  // namespace reelsight::orchestrator
