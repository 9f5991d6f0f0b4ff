// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/video_decoder.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/decode/allocation_failures.h"
#include "orchestrator/decode/deinterlacer.h"
#include "orchestrator/decode/demuxer.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/decode/frame_size.h"
#include "orchestrator/decode/memory_reserve.h"
#include "orchestrator/decode/packet_planner.h"
#include "orchestrator/decode/presentation_clock.h"
#include "orchestrator/decode/stream_info.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// Each decoder thread holds a frame; more than this no clip can use.
constexpr int kMaxThreads = 16;

// By itself, one more than there are processors, as FFmpeg counts: frame threads wait for each other now and then.
int ThreadCount(int wanted) {
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  if (wanted <= 0) wanted = processors > 1 ? processors + 1 : 1;
  return std::clamp(wanted, 1, kMaxThreads);
}

// What a decoder may allocate at once, each of its threads a frame and a half of motion vectors and the like.
size_t ReserveBytes(int threads, const AVCodecParameters& stream) {
  constexpr int64_t kLeastBytes = int64_t{16} << 20;
  const int picture_bytes =
      av_image_get_buffer_size(static_cast<AVPixelFormat>(stream.format), stream.width, stream.height, /*align=*/64);
  return static_cast<size_t>(kLeastBytes + std::max<int64_t>(picture_bytes, 0) * 3 / 2 * (threads + 1));
}

// For what looks at a file before its size is known.
constexpr size_t kOpeningReserveBytes = size_t{64} << 20;

constexpr char kDecoding[] = "decoding the video";

// True for a frame that an edit list cuts off. Most decoders leave such frames out by themselves, libdav1d does not.
// The mark may stick to a picture that a later packet shows again, so the time must be that of the hidden packet too.
bool IsHidden(const AVFrame& frame) {
  return frame.reordered_opaque != AV_NOPTS_VALUE && frame.reordered_opaque == frame.pts;
}

// Frames shown among the first `at` entries of the index.
int64_t ShownBefore(AVStream& stream, int at) {
  int64_t shown = 0;
  for (int i = 0; i < at; ++i) {
    const AVIndexEntry* entry = avformat_index_get_entry(&stream, i);
    if (entry != nullptr && (entry->flags & AVINDEX_DISCARD_FRAME) == 0) ++shown;
  }
  return shown;
}

// False for what has reasons of its own, as a cancelled token. A file that was looked at while memory was short may
// seem to be broken, or another one than it is.
bool MayComeOfShortMemory(const absl::Status& status) {
  return status.ok() || absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
         absl::IsInternal(status);
}

class FfmpegDecoder final : public VideoDecoder {
 public:
  FfmpegDecoder(std::unique_ptr<Demuxer> demuxer, Options options, PresentationClock clock)
      : demuxer_(std::move(demuxer)), options_(std::move(options)), clock_(clock) {}

  absl::Status OpenCodec();

  const v1::VideoInfo& info() const override { return info_; }
  void Follow(FrameSchedule& schedule) override;
  absl::StatusOr<std::optional<DecodedFrame>> Next() override;
  absl::Status SkipTo(absl::Duration offset) override;
  int64_t source_bytes() const override { return demuxer_->source().read_bytes(); }

 private:
  // Gives the decoder its next packet, or the sign of the end.
  absl::Status Feed();
  // OUT_OF_MEMORY if an allocation failed anywhere since the decoder was made. Asked where a frame is missing or
  // damaged: the decoder's own threads may have swallowed the failure.
  absl::Status CheckMemory() const;
  // Next, but for what failed in this thread.
  absl::StatusOr<std::optional<DecodedFrame>> NextWanted();
  // The next frame out of the decoder and the deinterlacer, or null at the end.
  absl::StatusOr<FrameHandle> NextPicture();
  absl::Status CheckLength(const DecodedFrame& decoded) const;
  // Leaps to a key frame before `offset` if that saves reading.
  absl::Status SeekTowards(absl::Duration offset);
  // Puts the container's display matrix on the frame, so that a frame says all that its conversion needs.
  absl::Status AttachOrientation(AVFrame& frame);
  absl::Status Finish();

  const std::unique_ptr<Demuxer> demuxer_;
  const Options options_;
  PresentationClock clock_;
  v1::VideoInfo info_;
  CodecHandle codec_;
  Deinterlacer deinterlacer_;
  FrameSchedule* schedule_ = nullptr;
  // Null: every packet goes to the decoder, and the decoder's frames are counted and placed as they come.
  std::unique_ptr<PacketPlanner> planner_;
  // Frames before this are left out.
  absl::Duration skip_to_;
  absl::Duration last_offset_;
  const AllocationWatch memory_;
  std::unique_ptr<MemoryReserve> reserve_;
  // Since the last leap.
  int64_t sent_packets_ = 0;
  int64_t received_frames_ = 0;
  int64_t next_index_ = 0;
  int64_t decoded_frames_ = 0;
  // Delivered, and not damaged.
  int64_t whole_frames_ = 0;
  int64_t decode_errors_ = 0;
  // A raw stream: frames follow each other at the nominal rate.
  bool has_timestamps_ = true;
  // An interlaced frame was seen: all frames take the way through the deinterlacer, to stay in order.
  bool interlaced_ = false;
  bool started_ = false;
  bool drained_ = false;
  bool ended_ = false;
};

absl::Status FfmpegDecoder::OpenCodec() {
  const AVStream& stream = demuxer_->stream();
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  if (codec == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kUnsupportedCodec,
                     absl::StrCat("no decoder for the video stream's codec, ",
                                  avcodec_get_name(stream.codecpar->codec_id), "; convert the video to H.264"));
  }
  codec_.reset(avcodec_alloc_context3(codec));
  if (codec_ == nullptr || avcodec_parameters_to_context(codec_.get(), stream.codecpar) < 0) {
    return OutOfMemory(kDecoding);
  }
  codec_->pkt_timebase = stream.time_base;
  // Fewer threads where there is no room for their frames.
  int threads = ThreadCount(options_.thread_count);
  while ((reserve_ = MemoryReserve::Create(ReserveBytes(threads, *stream.codecpar))) == nullptr) {
    if (threads == 1) return OutOfMemory(kDecoding);
    threads /= 2;
  }
  codec_->thread_count = threads;
  codec_->thread_type = FF_THREAD_FRAME | FF_THREAD_SLICE;
  // Sizes are coded in whole blocks, so the decoder's own bound needs room; CheckFrameSize is the exact one.
  codec_->max_pixels = options_.limits.max_frame_pixels + options_.limits.max_frame_pixels / 16 + 65536;
  if (const int error = avcodec_open2(codec_.get(), codec, nullptr); error < 0) {
    // EAGAIN: no room for another thread.
    if (error == AVERROR(ENOMEM) || error == AVERROR(EAGAIN)) return OutOfMemory("starting the decoder");
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    av_strerror(error, text, sizeof(text));
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kUnsupportedCodec,
                     absl::StrCat("the decoder for ", codec->name, " does not take this stream (", text,
                                  "); convert the video to H.264"));
  }
  info_ = DescribeStream(demuxer_->format(), stream);
  RETURN_IF_ERROR(
      CheckFrameSize("the video's frames as displayed", {info_.width_px(), info_.height_px()}, options_.limits));
  has_timestamps_ = (demuxer_->format().iformat->flags & AVFMT_NOTIMESTAMPS) == 0;
  return absl::OkStatus();
}

void FfmpegDecoder::Follow(FrameSchedule& schedule) {
  schedule_ = &schedule;
  if (!schedule.takes_every_frame() && PacketPlanner::Supports(demuxer_->format(), demuxer_->stream())) {
    planner_ = std::make_unique<PacketPlanner>(*demuxer_, clock_, &schedule);
  }
}

absl::Status FfmpegDecoder::Feed() {
  PacketHandle packet;
  if (planner_ != nullptr) {
    ASSIGN_OR_RETURN(packet, planner_->Next());
  } else {
    packet.reset(av_packet_alloc());
    if (packet == nullptr) return OutOfMemory(kDecoding);
    ASSIGN_OR_RETURN(const bool read, demuxer_->Read(packet.get()));
    if (!read) packet.reset();
  }
  started_ = true;
  const bool hidden = packet != nullptr && (packet->flags & AV_PKT_FLAG_DISCARD) != 0;
  codec_->reordered_opaque = hidden ? packet->pts : AV_NOPTS_VALUE;
  const int result = avcodec_send_packet(codec_.get(), packet.get());
  if (packet != nullptr) ++sent_packets_;
  if (result == AVERROR(ENOMEM)) return OutOfMemory(kDecoding);
  if (result >= 0 || result == AVERROR_EOF) return absl::OkStatus();
  ++decode_errors_;
  return CheckMemory();
}

absl::Status FfmpegDecoder::CheckMemory() const {
  return memory_.failed_anywhere() ? OutOfMemory(kDecoding) : absl::OkStatus();
}

absl::StatusOr<FrameHandle> FfmpegDecoder::NextPicture() {
  while (true) {
    RETURN_IF_ERROR(demuxer_->cancel().status());
    if (reserve_->gone()) return OutOfMemory(kDecoding);
    if (FrameHandle frame = deinterlacer_.Pull(); frame != nullptr) return frame;
    if (drained_) return FrameHandle();
    FrameHandle frame(av_frame_alloc());
    const int result = frame == nullptr ? AVERROR(ENOMEM) : avcodec_receive_frame(codec_.get(), frame.get());
    if (result == AVERROR(ENOMEM)) return OutOfMemory(kDecoding);
    if (result == AVERROR(EAGAIN)) {
      RETURN_IF_ERROR(Feed());
    } else if (result == AVERROR_EOF) {
      drained_ = true;
      if (decode_errors_ > 0 || received_frames_ < sent_packets_) RETURN_IF_ERROR(CheckMemory());
      RETURN_IF_ERROR(deinterlacer_.Finish());
    } else if (result < 0) {
      ++decode_errors_;
      RETURN_IF_ERROR(CheckMemory());
    } else {
      ++received_frames_;
      if (IsHidden(*frame)) continue;
      RETURN_IF_ERROR(CheckFrameSize("frames of the video", {frame->width, frame->height}, options_.limits));
      interlaced_ = interlaced_ || (frame->interlaced_frame != 0 && Deinterlacer::Takes(*frame));
      if (!interlaced_ || !Deinterlacer::Takes(*frame)) return frame;
      RETURN_IF_ERROR(deinterlacer_.Push(std::move(frame)));
    }
  }
}

absl::StatusOr<std::optional<DecodedFrame>> FfmpegDecoder::Next() {
  const AllocationWatch memory;
  absl::StatusOr<std::optional<DecodedFrame>> frame = NextWanted();
  const bool short_of_memory = reserve_->gone() || memory.failed_here();
  return short_of_memory && MayComeOfShortMemory(frame.status()) ? OutOfMemory(kDecoding) : std::move(frame);
}

absl::StatusOr<std::optional<DecodedFrame>> FfmpegDecoder::NextWanted() {
  while (!ended_) {
    ASSIGN_OR_RETURN(FrameHandle frame, NextPicture());
    if (frame == nullptr) {
      ended_ = true;
      RETURN_IF_ERROR(Finish());
      break;
    }
    ++decoded_frames_;
    DecodedFrame decoded;
    bool needed = true;
    std::optional<PacketPlanner::Place> place;
    if (planner_ != nullptr) place = planner_->Take(frame->best_effort_timestamp);
    if (place.has_value()) {
      decoded.index = place->index;
      decoded.offset = place->offset;
      needed = place->needed;
      decoded.decision = std::move(place->decision);
    } else if (planner_ != nullptr) {
      // A frame that no packet promised.
      decoded.index = next_index_;
      decoded.offset = std::max(last_offset_, clock_.OffsetOf(frame->best_effort_timestamp));
    } else {
      decoded.index = next_index_;
      decoded.offset = clock_.Place(has_timestamps_ ? frame->best_effort_timestamp : AV_NOPTS_VALUE,
                                    has_timestamps_ ? frame->pkt_duration : 0);
    }
    next_index_ = decoded.index + 1;
    last_offset_ = decoded.offset;
    RETURN_IF_ERROR(CheckLength(decoded));
    if (!place.has_value() && schedule_ != nullptr) decoded.decision = schedule_->Decide(decoded.index, decoded.offset);
    if (!needed || decoded.offset < skip_to_) continue;
    // Not left out: a decoder with frame threads sets these marks too late for some frames, so that each run would have
    // other frames.
    if (frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT)) {
      ++decode_errors_;
    } else {
      ++whole_frames_;
    }
    RETURN_IF_ERROR(AttachOrientation(*frame));
    decoded.frame = std::shared_ptr<const AVFrame>(frame.release(), FreeByAddress<av_frame_free>());
    return decoded;
  }
  return std::nullopt;
}

absl::Status FfmpegDecoder::CheckLength(const DecodedFrame& decoded) const {
  const Limits& limits = options_.limits;
  if (decoded.index < limits.max_frames && decoded.offset <= limits.max_duration) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
                   absl::StrCat("the video is longer than ", limits.max_frames, " frames or ",
                                absl::FormatDuration(limits.max_duration), kLengthRemedy));
}

absl::Status FfmpegDecoder::AttachOrientation(AVFrame& frame) {
  av_frame_remove_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  const int32_t* matrix = DisplayMatrix(demuxer_->stream());
  if (matrix == nullptr) return absl::OkStatus();
  AVFrameSideData* data = av_frame_new_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX, 9 * sizeof(int32_t));
  if (data == nullptr) return OutOfMemory(kDecoding);
  std::copy(matrix, matrix + 9, reinterpret_cast<int32_t*>(data->data));
  return absl::OkStatus();
}

absl::Status FfmpegDecoder::Finish() {
  info_.set_decode_errors(decode_errors_ + demuxer_->errors());
  const bool dropped = planner_ != nullptr && planner_->dropped_any();
  if (whole_frames_ == 0 && decode_errors_ >= decoded_frames_ && !dropped) {
    const bool truncated = demuxer_->truncated();
    return InvalidArgument(truncated ? Reason::kSourceTruncated : Reason::kDecodeFailed,
                           absl::StrCat("no whole frame of ", demuxer_->source().name(), " could be decoded",
                                        truncated ? ": the file ends before its first frame does; send the whole file"
                                                  : ": its video stream is damaged or empty"));
  }
  const int64_t count = planner_ != nullptr ? std::max(planner_->frame_count(), next_index_) : next_index_;
  info_.set_frame_count(count);
  *info_.mutable_duration() = analysis::ToProto(clock_.end());
  info_.set_variable_frame_rate(clock_.variable_frame_rate());
  if (clock_.end() > absl::ZeroDuration()) {
    info_.set_frame_rate(static_cast<double>(count) / absl::ToDoubleSeconds(clock_.end()));
  }
  return absl::OkStatus();
}

absl::Status FfmpegDecoder::SkipTo(absl::Duration offset) {
  if (offset <= skip_to_) return absl::OkStatus();
  skip_to_ = offset;
  if (ended_) return absl::OkStatus();
  if (planner_ == nullptr && !started_ && PacketPlanner::Supports(demuxer_->format(), demuxer_->stream())) {
    planner_ = std::make_unique<PacketPlanner>(*demuxer_, clock_, schedule_);
  }
  if (planner_ == nullptr) return absl::OkStatus();
  planner_->SkipTo(offset);
  return SeekTowards(offset);
}

absl::Status FfmpegDecoder::SeekTowards(absl::Duration offset) {
  // Only with an index of every frame, as in MP4, is the place of a frame known after a leap.
  AVStream* stream = demuxer_->mutable_stream();
  const int entries = avformat_index_get_entries_count(stream);
  if (!absl::StartsWith(demuxer_->format().iformat->name, "mov,") || entries < stream->nb_frames) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(planner_->Fill());
  if (planner_->ended()) return absl::OkStatus();
  const int64_t target = clock_.TimestampAt(offset);
  int at = av_index_search_timestamp(stream, target, AVSEEK_FLAG_BACKWARD);
  while (at > 0) {
    const AVIndexEntry* entry = avformat_index_get_entry(stream, at);
    if (entry == nullptr) return absl::OkStatus();
    // What has been read already, or soon will be, is not worth a leap; going back is never right.
    if (entry->timestamp <= planner_->last_read_timestamp()) return absl::OkStatus();
    const int64_t timestamp = entry->timestamp;
    if (!demuxer_->Seek(timestamp)) return absl::OkStatus();
    avcodec_flush_buffers(codec_.get());
    sent_packets_ = received_frames_ = 0;
    deinterlacer_.Reset();
    planner_->Restart(ShownBefore(*stream, at));
    RETURN_IF_ERROR(planner_->Fill());
    // The frames wanted may be stored before the group that begins at the target's decoding time: then one group back.
    if (planner_->head() != nullptr && planner_->head()->pts <= target) return absl::OkStatus();
    at = av_index_search_timestamp(stream, timestamp - 1, AVSEEK_FLAG_BACKWARD);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<VideoDecoder>> OpenDecoder(std::unique_ptr<ByteSource> source,
                                                          VideoDecoder::Options options, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(std::unique_ptr<Demuxer> demuxer, Demuxer::Open(std::move(source), options.limits, cancel));
  const AVStream& stream = demuxer->stream();
  const PresentationClock clock(stream.time_base, FrameDuration(demuxer->format(), stream),
                                (demuxer->format().iformat->flags & AVFMT_TS_DISCONT) != 0);
  auto decoder = std::make_unique<FfmpegDecoder>(std::move(demuxer), std::move(options), clock);
  RETURN_IF_ERROR(decoder->OpenCodec());
  return decoder;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoDecoder>> VideoDecoder::Open(std::unique_ptr<ByteSource> source, Options options,
                                                                 const CancelToken& cancel) {
  constexpr char kOpening[] = "opening the video";
  const AllocationWatch memory;
  const std::unique_ptr<MemoryReserve> reserve = MemoryReserve::Create(kOpeningReserveBytes);
  if (reserve == nullptr) return OutOfMemory(kOpening);
  absl::StatusOr<std::unique_ptr<VideoDecoder>> decoder = OpenDecoder(std::move(source), std::move(options), cancel);
  const bool short_of_memory = reserve->gone() || memory.failed_here();
  if (short_of_memory && MayComeOfShortMemory(decoder.status())) return OutOfMemory(kOpening);
  return decoder;
}

}  // namespace reelsight::orchestrator
