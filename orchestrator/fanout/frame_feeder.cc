// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/frame_feeder.h"

#include <algorithm>
#include <utility>

#include "shared/base/status.h"
#include "shared/base/stopwatch.h"

namespace reelsight::orchestrator {
namespace {

constexpr int kDefaultBatchFrames = 32;

bool NeedsDecoded(const PlannedAnalyzer& planned) {
  return planned.description.sampling().context_kind() == analyzer::v1::Sampling::CONTEXT_KIND_DECODED;
}

bool NeedsSampled(const PlannedAnalyzer& planned) {
  return planned.description.sampling().context_kind() == analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED;
}

size_t ContextFrames(const PlannedAnalyzer& planned) {
  return static_cast<size_t>(std::max(0, planned.description.sampling().context_frames()));
}

}  // namespace

FrameFeeder::FrameFeeder(const AnalysisPlan& plan, Options options, FrameConverter& converter,
                         analysis::FramePool& pool, Sink sink)
    : options_(std::move(options)), converter_(converter), pool_(pool), sink_(std::move(sink)) {
  std::map<std::pair<int, analysis::FrameSpec>, int> places;
  std::vector<std::vector<BatchBuilder::Member>> members;
  consumers_.resize(plan.analyzers.size());
  for (size_t i = 0; i < plan.analyzers.size(); ++i) {
    const PlannedAnalyzer& planned = plan.analyzers[i];
    if (!planned.status.ok()) continue;
    const auto [place, is_new] = places.try_emplace({planned.endpoint, planned.spec}, static_cast<int>(groups_.size()));
    if (is_new) {
      groups_.push_back({planned.endpoint, planned.spec, nullptr});
      members.emplace_back();
    }
    Consumer& consumer = consumers_[i];
    consumer.planned = &planned;
    consumer.group = place->second;
    consumer.member = static_cast<int>(members[place->second].size());
    const int batch_frames = planned.description.batch_frames();
    members[place->second].push_back(
        {planned.description.name(), planned.options, batch_frames > 0 ? batch_frames : kDefaultBatchFrames});
    if (NeedsDecoded(planned)) {
      neighbours_ = std::max(neighbours_, ContextFrames(planned));
      size_t& of_spec = neighbours_of_[planned.spec];
      of_spec = std::max(of_spec, ContextFrames(planned));
    }
    targets_[planned.description.name()] = 0;
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    groups_[i].builder = std::make_unique<BatchBuilder>(options_.request_id, options_.video, std::move(members[i]));
  }
}

void FrameFeeder::ReleaseFrames() {
  recent_.clear();
  for (Consumer& consumer : consumers_) consumer.sampled.clear();
}

absl::Status FrameFeeder::Feed(const DecodedFrame& frame, const CancelToken& cancel) {
  if (frame.decision.segment != segment_) ReleaseFrames();
  segment_ = frame.decision.segment;
  recent_.push_back({frame, {}});
  bool taken = false;
  for (const int place : frame.decision.takers) {
    Consumer& consumer = consumers_[place];
    if (consumer.given_up) continue;
    taken = true;
    RETURN_IF_ERROR(FeedConsumer(consumer, cancel));
  }
  if (taken) ++stats_.frames_analyzed;
  // What stays must be no more than the run has reserved.
  while (recent_.size() > neighbours_) recent_.pop_front();
  for (size_t i = 0; i < recent_.size(); ++i) {
    const size_t age = recent_.size() - 1 - i;
    std::erase_if(recent_[i].images, [&](const auto& image) {
      const auto kept = neighbours_of_.find(image.first);
      return kept == neighbours_of_.end() || age >= kept->second;
    });
  }
  return absl::OkStatus();
}

absl::Status FrameFeeder::FeedConsumer(Consumer& consumer, const CancelToken& cancel) {
  const PlannedAnalyzer& planned = *consumer.planned;
  const size_t wanted = ContextFrames(planned);
  std::vector<analysis::Frame> context;
  if (NeedsDecoded(planned)) {
    const size_t before = std::min(wanted, recent_.size() - 1);
    for (size_t i = recent_.size() - 1 - before; i + 1 < recent_.size(); ++i) {
      ASSIGN_OR_RETURN(analysis::Frame neighbour, MakePicture(recent_[i], planned.spec, cancel));
      context.push_back(std::move(neighbour));
    }
  } else if (NeedsSampled(planned)) {
    context.assign(consumer.sampled.begin(), consumer.sampled.end());
  }
  ASSIGN_OR_RETURN(const analysis::Frame target, MakePicture(recent_.back(), planned.spec, cancel));
  if (NeedsSampled(planned)) {
    consumer.sampled.push_back(target);
    while (consumer.sampled.size() > wanted) consumer.sampled.pop_front();
  }
  Group& group = groups_[consumer.group];
  group.builder->AddTarget(consumer.member, target, context);
  ++targets_[planned.description.name()];
  return group.builder->full() ? SendBatch(group) : absl::OkStatus();
}

absl::StatusOr<analysis::Frame> FrameFeeder::MakePicture(Recent& recent, const analysis::FrameSpec& spec,
                                                         const CancelToken& cancel) {
  const auto made = recent.images.find(spec);
  if (made != recent.images.end()) {
    ++stats_.shared_conversions;
    return analysis::Frame{recent.decoded.index, recent.decoded.offset, made->second};
  }
  ASSIGN_OR_RETURN(std::shared_ptr<analysis::Image> image, AllocatePicture(spec, cancel));
  const Stopwatch stopwatch;
  RETURN_IF_ERROR(converter_.Convert(recent.decoded, spec, *image));
  stats_.convert_time += stopwatch.elapsed();
  recent.images.emplace(spec, image);
  return analysis::Frame{recent.decoded.index, recent.decoded.offset, std::move(image)};
}

absl::StatusOr<std::shared_ptr<analysis::Image>> FrameFeeder::AllocatePicture(const analysis::FrameSpec& spec,
                                                                              const CancelToken& cancel) {
  const analysis::ImageSize size = converter_.SizeFor(spec);
  absl::StatusOr<std::shared_ptr<analysis::Image>> image = pool_.TryAllocate(spec.format, size);
  if (image.ok() || !GetReason(image.status()).empty()) return image;
  // The budget is spent, perhaps by what is gathered here: give that on before waiting.
  RETURN_IF_ERROR(Flush());
  const Stopwatch stopwatch;
  image = pool_.Allocate(spec.format, size, cancel);
  stats_.wait_time += stopwatch.elapsed();
  return image;
}

absl::Status FrameFeeder::SendBatch(Group& group) {
  std::shared_ptr<const analysis::Batch> batch = group.builder->TakeBatch();
  if (batch == nullptr) return absl::OkStatus();
  const Stopwatch stopwatch;
  const absl::Status status = sink_(group.endpoint, std::move(batch));
  stats_.wait_time += stopwatch.elapsed();
  return status;
}

absl::Status FrameFeeder::Flush() {
  for (Group& group : groups_) RETURN_IF_ERROR(SendBatch(group));
  return absl::OkStatus();
}

void FrameFeeder::GiveUp(const std::string& analyzer) {
  for (Consumer& consumer : consumers_) {
    if (consumer.planned == nullptr || consumer.planned->description.name() != analyzer) continue;
    consumer.given_up = true;
    consumer.sampled.clear();
  }
}

}  // namespace reelsight::orchestrator
