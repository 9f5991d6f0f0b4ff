// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/packet_planner.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "orchestrator/decode/nal_units.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// No codec holds back more frames than this to bring them into order.
constexpr size_t kMaxReorder = 32;

}  // namespace

bool PacketPlanner::Supports(const AVFormatContext& format, const AVStream& stream) {
  const absl::string_view container = format.iformat->name;
  if (!absl::StartsWith(container, "mov,") && !absl::StartsWith(container, "matroska,")) return false;
  const AVCodecParameters& codec = *stream.codecpar;
  if (codec.field_order != AV_FIELD_PROGRESSIVE && codec.field_order != AV_FIELD_UNKNOWN) return false;
  switch (codec.codec_id) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
    case AV_CODEC_ID_MJPEG:
    case AV_CODEC_ID_PRORES:
      return true;
    default:
      return false;
  }
}

PacketPlanner::PacketPlanner(Demuxer& demuxer, PresentationClock& clock, FrameSchedule* schedule)
    : demuxer_(demuxer), clock_(clock), schedule_(schedule) {}

void PacketPlanner::Restart(int64_t before) {
  queue_.clear();
  pending_.clear();
  ranked_.clear();
  durations_.clear();
  last_ranked_.reset();
  queued_bytes_ = 0;
  ended_ = false;
  next_index_ = before;
  clock_.Jump();
}

absl::Status PacketPlanner::Fill() {
  while (!ended_ && queue_.size() < kMaxAhead && queued_bytes_ < kMaxAheadBytes) {
    PacketHandle packet(av_packet_alloc());
    if (packet == nullptr) {
      return OutOfMemory("reading the source");
    }
    ASSIGN_OR_RETURN(const bool read, demuxer_.Read(packet.get()));
    if (read) {
      Push(std::move(packet));
    } else {
      ended_ = true;
      while (!pending_.empty()) RankFirst();
    }
  }
  return absl::OkStatus();
}

void PacketPlanner::Push(PacketHandle packet) {
  const AVPacket& read = *packet;
  Entry entry;
  entry.shown = (read.flags & AV_PKT_FLAG_DISCARD) == 0;
  entry.entry_point = IsEntryPoint(*demuxer_.stream().codecpar, read);
  entry.disposable = IsDisposable(*demuxer_.stream().codecpar, read);
  queued_bytes_ += read.size;
  const int64_t pts = read.pts;
  const int64_t dts = read.dts;
  const int64_t duration = read.duration;
  if (dts != AV_NOPTS_VALUE) last_read_ = dts;
  entry.packet = std::move(packet);
  queue_.push_back(std::move(entry));
  if (!queue_.back().shown) return;
  if (pts == AV_NOPTS_VALUE || pending_.contains(pts) || (last_ranked_.has_value() && pts <= *last_ranked_)) {
    broken_ = true;
    return;
  }
  pending_[pts] = true;
  durations_[pts] = duration;
  // Later packets have later decoding times, and no frame is shown before it is decoded.
  if (dts != AV_NOPTS_VALUE) RankUpTo(dts);
  while (pending_.size() > kMaxReorder) RankFirst();
}

void PacketPlanner::RankUpTo(int64_t timestamp) {
  while (!pending_.empty() && pending_.begin()->first <= timestamp) RankFirst();
}

void PacketPlanner::RankFirst() {
  const int64_t pts = pending_.begin()->first;
  pending_.erase(pending_.begin());
  last_ranked_ = pts;
  Place frame{.index = next_index_++, .offset = clock_.Place(pts, durations_[pts]), .needed = true, .decision = {}};
  durations_.erase(pts);
  if (schedule_ != nullptr) {
    frame.decision = schedule_->Decide(frame.index, frame.offset);
    frame.needed = frame.decision.taken();
  }
  if (frame.offset < skip_to_) frame.needed = false;
  int neighbours = frame.needed ? frame.decision.neighbours : 0;
  auto place = ranked_.emplace(pts, std::move(frame)).first;
  for (; neighbours > 0 && place != ranked_.begin(); --neighbours) {
    --place;
    place->second.needed = place->second.needed || place->second.offset >= skip_to_;
  }
}

bool PacketPlanner::Needed(const Entry& entry) const {
  if (!entry.shown) return false;
  const auto place = ranked_.find(entry.packet->pts);
  // Not placed yet: it may be.
  return place == ranked_.end() ? true : place->second.needed;
}

bool PacketPlanner::StartsAfresh(size_t at) const {
  if (!queue_[at].entry_point) return false;
  // Frames shown before the entry point but stored after it may refer to what lies before.
  const size_t end = std::min(queue_.size(), at + kMaxReorder);
  for (size_t i = at + 1; i < end; ++i) {
    if (queue_[i].packet->pts < queue_[at].packet->pts) return false;
  }
  return true;
}

bool PacketPlanner::MayDrop() const {
  if (broken_ || Needed(queue_.front())) return false;
  // A frame further on may want neighbours that reach back to here.
  if (!ended_ && queue_.size() < kMaxNeighbours + kMaxReorder) return false;
  if (queue_.front().disposable) return true;
  const size_t end = ended_ ? queue_.size() : queue_.size() - kMaxNeighbours - kMaxReorder;
  for (size_t i = 1; i < end; ++i) {
    if (StartsAfresh(i)) return true;
    if (Needed(queue_[i])) return false;
  }
  return ended_;
}

absl::StatusOr<PacketHandle> PacketPlanner::Next() {
  while (true) {
    RETURN_IF_ERROR(Fill());
    if (queue_.empty()) return PacketHandle();
    const bool drop = MayDrop();
    PacketHandle packet = std::move(queue_.front().packet);
    queue_.pop_front();
    queued_bytes_ -= packet->size;
    if (!drop) return packet;
    dropped_any_ = true;
  }
}

std::optional<PacketPlanner::Place> PacketPlanner::Take(int64_t timestamp) {
  const auto place = ranked_.find(timestamp);
  if (place == ranked_.end()) return std::nullopt;
  Place taken = std::move(place->second);
  // Frames before this one will not come any more. Those just before it stay: they are neighbours' marks' targets only
  // while their packets are queued, which lie further on.
  ranked_.erase(ranked_.begin(), std::next(place));
  return taken;
}

bool IsDisposable(const AVCodecParameters& codec, const AVPacket& packet) {
  if (packet.flags & AV_PKT_FLAG_DISPOSABLE) return true;
  bool any = false;
  bool referred = false;
  const bool parsed = ForEachNalUnit(codec, packet, [&](const NalUnit& unit) {
    if (!unit.picture) return;
    any = true;
    referred = referred || unit.reference;
  });
  return parsed && any && !referred;
}

bool IsEntryPoint(const AVCodecParameters& codec, const AVPacket& packet) {
  if ((packet.flags & AV_PKT_FLAG_KEY) == 0) return false;
  if (codec.codec_id != AV_CODEC_ID_H264 && codec.codec_id != AV_CODEC_ID_HEVC) return true;
  bool instant_refresh = false;
  const bool parsed = ForEachNalUnit(
      codec, packet, [&](const NalUnit& unit) { instant_refresh = instant_refresh || unit.instant_refresh; });
  return parsed && instant_refresh;
}

}  // namespace reelsight::orchestrator
