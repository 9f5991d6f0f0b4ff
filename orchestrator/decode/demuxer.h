// SPDX-License-Identifier: Apache-2.0
//
// Opens a source's container and reads the packets of its one video stream. Not a decoder.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/decode/container_budget.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/decode/source_io.h"
#include "orchestrator/decode/video_decoder.h"

namespace reelsight::orchestrator {

// Used by one thread at a time.
class Demuxer {
 public:
  // Reads the headers; checks the limits against them before anything large is allocated. Errors: see
  // VideoDecoder::Open.
  static absl::StatusOr<std::unique_ptr<Demuxer>> Open(std::unique_ptr<ByteSource> source,
                                                       const VideoDecoder::Limits& limits, const CancelToken& cancel);
  ~Demuxer();

  // Reads the next packet of the video stream, in decoding order, into `packet`, which holds nothing. False at the end.
  // A damaged packet is left out and counted. Errors: the source's, the token's, the budget's of the container.
  absl::StatusOr<bool> Read(AVPacket* packet);
  // Goes on with the last key frame whose decoding time, in the stream's time base, is not after `timestamp`. False if
  // the container cannot; then nothing changed but the place of the next packet.
  bool Seek(int64_t timestamp);

  const AVFormatContext& format() const { return *format_; }
  const AVStream& stream() const { return *stream_; }
  AVStream* mutable_stream() { return stream_; }
  ByteSource& source() { return io_->source(); }
  const CancelToken& cancel() const { return io_->cancel(); }
  // True once a packet was cut short, as at the end of a file that was cut off.
  bool truncated() const { return truncated_; }
  // Defects of the container stepped over.
  int64_t errors() const { return errors_; }

 private:
  explicit Demuxer(const VideoDecoder::Limits& limits);
  absl::Status OpenContainer();
  absl::Status FindStreamInfo();
  absl::Status ChooseStream();
  // SOURCE_NOT_VIDEO because of `why`, or SOURCE_TRUNCATED if that is the reason behind it.
  absl::Status NotAVideo(std::string_view why);
  absl::Status CannotRead(int error);
  // Why what FFmpeg did last is not to be used; OK if it is.
  absl::Status Verdict() const;
  static int IsInterrupted(void* self);

  const VideoDecoder::Limits limits_;
  ContainerBudget budget_;
  // Before format_, which reads from it to its end.
  std::unique_ptr<SourceIo> io_;
  FormatHandle format_;
  AVStream* stream_ = nullptr;
  bool truncated_ = false;
  int64_t errors_ = 0;
  int64_t packets_ = 0;
  // Fields may come in packets of their own.
  const int64_t max_packets_;
};

// Ends the messages of VIDEO_TOO_LONG.
inline constexpr char kLengthRemedy[] =
    ", the most that this server takes (limits.max_frames and limits.max_duration_seconds of its configuration); cut "
    "the "
    "video into parts";

}  // namespace reelsight::orchestrator
