// SPDX-License-Identifier: Apache-2.0
//
// Leaves out what need not be decoded. It reads packets ahead of the decoder, finds each frame's place in presentation
// order from the packets' timestamps, has the schedule decide on it, and drops the packets that no taken frame needs:
// those of frames that no other frame refers to, and the rest of a group of pictures after its last taken frame. The
// taken frames are decoded from the same packets as ever, so their pixels are the same.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "orchestrator/decode/demuxer.h"
#include "orchestrator/decode/presentation_clock.h"
#include "orchestrator/plan/frame_schedule.h"

namespace reelsight::orchestrator {

// Used by one thread at a time.
class PacketPlanner {
 public:
  // Packets read ahead, by count and by bytes. More finds longer runs to leave out and costs memory.
  static constexpr size_t kMaxAhead = 256;
  static constexpr int64_t kMaxAheadBytes = int64_t{16} << 20;
  // A taken frame may want so many frames before it.
  static constexpr size_t kMaxNeighbours = 64;

  // True where one packet is one frame with a timestamp of its own: not for fields, nor for containers that store none.
  static bool Supports(const AVFormatContext& format, const AVStream& stream);

  // Borrows all. Places every frame on `clock`. `schedule` null: all frames are needed, and none carries a decision.
  PacketPlanner(Demuxer& demuxer, PresentationClock& clock, FrameSchedule* schedule);

  // Frames before this are not needed.
  void SkipTo(absl::Duration offset) { skip_to_ = offset; }
  // Forgets what was read; the next packet read is the first of a group of pictures, and `before` frames are presented
  // before that group.
  void Restart(int64_t before);
  // Reads ahead, so that the clock knows the start of the video.
  absl::Status Fill();
  // The packet at the head of the queue, or null at the end. REQUIRES: Fill.
  const AVPacket* head() const { return queue_.empty() ? nullptr : queue_.front().packet.get(); }

  // True once the last packet was read.
  bool ended() const { return ended_; }
  // Decoding time of the last packet read.
  int64_t last_read_timestamp() const { return last_read_; }

  // The next packet to decode, or null at the end.
  absl::StatusOr<PacketHandle> Next();

  struct Place {
    int64_t index = 0;
    absl::Duration offset;
    // Taken, or a neighbour of one that is.
    bool needed = true;
    FrameDecision decision;
  };
  // Where the frame with this timestamp belongs. Frames are asked for in presentation order; earlier ones are
  // forgotten. None for a timestamp that no packet had.
  std::optional<Place> Take(int64_t timestamp);

  // Frames seen so far, needed or not.
  int64_t frame_count() const { return next_index_; }
  bool dropped_any() const { return dropped_any_; }

 private:
  struct Entry {
    PacketHandle packet;
    // Where it is among ranked_; not set for a packet that is decoded but never shown, or not ranked yet.
    bool shown = true;
    bool ranked = false;
    bool entry_point = false;
    bool disposable = false;
  };
  void Push(PacketHandle packet);
  void RankUpTo(int64_t timestamp);
  void RankFirst();
  bool Needed(const Entry& entry) const;
  bool MayDrop() const;
  bool StartsAfresh(size_t at) const;

  Demuxer& demuxer_;
  PresentationClock& clock_;
  FrameSchedule* const schedule_;
  absl::Duration skip_to_;

  // In decoding order.
  std::deque<Entry> queue_;
  int64_t queued_bytes_ = 0;
  bool ended_ = false;
  bool dropped_any_ = false;
  int64_t last_read_ = INT64_MIN;
  // The timestamps turned out not to be fit for this: every packet is decoded from here on.
  bool broken_ = false;

  // By timestamp: shown packets whose place is not known yet, and frames placed but not taken yet.
  std::map<int64_t, bool> pending_;
  std::map<int64_t, Place> ranked_;
  std::optional<int64_t> last_ranked_;
  int64_t next_index_ = 0;
  std::map<int64_t, int64_t> durations_;
};

// True if no other frame refers to the frame in `packet`; false where that is not known.
bool IsDisposable(const AVCodecParameters& codec, const AVPacket& packet);
// True if decoding can begin with `packet`, and nothing after it refers to what was before.
bool IsEntryPoint(const AVCodecParameters& codec, const AVPacket& packet);

}  // namespace reelsight::orchestrator
