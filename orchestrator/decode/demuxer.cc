// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/demuxer.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/decode/frame_size.h"
#include "orchestrator/decode/movie_header.h"
#include "orchestrator/decode/source_sniffer.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// Containers that hold their media in themselves. What is not listed is refused: playlists and manifests (hls, dash,
// concat, sdp, ...) name further files, and rare formats only widen what a hostile file can reach.
constexpr char kFormats[] =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,ivf,h264,hevc,obu,m4v,gif,ogg,asf,mxf,"
    "yuv4mpegpipe,dv";
// No single block of memory is larger than this, or than a frame of 8 bytes a pixel and its padding: also not FFmpeg's
// table of what a file claims to hold.
constexpr int64_t kMaxBlockBytes = int64_t{256} << 20;
// Packets in a row that may fail before the stream counts as ended.
constexpr int kMaxFailuresInARow = 32;
// Of one file: each costs FFmpeg tables of its own.
constexpr int kMaxStreams = 64;
// In messages.
constexpr char kFrames[] = "the video's frames";

void InitLibrariesOnce() {
  static std::once_flag once;
  // FFmpeg prints to stderr on its own; what matters comes back as return codes.
  std::call_once(once, [] { av_log_set_callback([](void*, int, const char*, va_list) {}); });
}

int RefuseToOpen(AVFormatContext*, AVIOContext** io, const char*, int, AVDictionary**) {
  *io = nullptr;
  return AVERROR(EACCES);
}

ContainerBudget::Options BudgetFor(const VideoDecoder::Limits& limits) {
  ContainerBudget::Options options;
  // A packet of an uncompressed frame, and the tables of a video as long as is allowed beside those of its sound.
  options.max_bytes = std::max({options.max_bytes, 6 * limits.max_frame_pixels + (int64_t{1} << 20),
                                256 * limits.max_frames + (int64_t{64} << 20)});
  return options;
}

absl::Status TooManyFrames(const VideoDecoder::Limits& limits) {
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
                   absl::StrCat("the video has more frames than ", limits.max_frames, kLengthRemedy));
}

absl::Status CheckLength(const AVFormatContext& format, const AVStream& stream, const VideoDecoder::Limits& limits) {
  absl::Duration duration;
  if (stream.duration != AV_NOPTS_VALUE && stream.time_base.num > 0) {
    duration = absl::Seconds(static_cast<double>(stream.duration) * av_q2d(stream.time_base));
  } else if (format.duration != AV_NOPTS_VALUE) {
    duration = absl::Microseconds(format.duration);
  }
  if (duration > limits.max_duration) {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
                     absl::StrCat("the video is ", absl::FormatDuration(duration), " long, longer than ",
                                  absl::FormatDuration(limits.max_duration), kLengthRemedy));
  }
  if (stream.nb_frames > limits.max_frames) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
        absl::StrCat("the video has ", stream.nb_frames, " frames, more than ", limits.max_frames, kLengthRemedy));
  }
  return absl::OkStatus();
}

}  // namespace

Demuxer::Demuxer(const VideoDecoder::Limits& limits)
    : limits_(limits), budget_(BudgetFor(limits)), max_packets_(2 * limits.max_frames) {}

Demuxer::~Demuxer() = default;

absl::StatusOr<std::unique_ptr<Demuxer>> Demuxer::Open(std::unique_ptr<ByteSource> source,
                                                       const VideoDecoder::Limits& limits, const CancelToken& cancel) {
  InitLibrariesOnce();
  av_max_alloc(static_cast<size_t>(std::max(kMaxBlockBytes, 9 * limits.max_frame_pixels)));
  RETURN_IF_ERROR(ContainerBudget::Install());
  RETURN_IF_ERROR(CheckHead(*source, cancel));
  RETURN_IF_ERROR(CheckMovieHeader(*source, limits, cancel));
  auto demuxer = absl::WrapUnique(new Demuxer(limits));
  ASSIGN_OR_RETURN(demuxer->io_, SourceIo::Create(std::move(source), demuxer->budget_, cancel));
  RETURN_IF_ERROR(demuxer->OpenContainer());

  // What the container says is checked before a decoder looks at the stream: it allocates whole frames.
  AVFormatContext* format = demuxer->format_.get();
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    const AVStream& stream = *format->streams[i];
    if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO) continue;
    if (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) continue;
    RETURN_IF_ERROR(CheckFrameSize(kFrames, {stream.codecpar->width, stream.codecpar->height}, limits));
    RETURN_IF_ERROR(CheckLength(*format, stream, limits));
  }
  RETURN_IF_ERROR(demuxer->FindStreamInfo());
  RETURN_IF_ERROR(demuxer->ChooseStream());
  if (demuxer->stream_->codecpar->width < 1 || demuxer->stream_->codecpar->height < 1) {
    return InvalidArgument(
        Reason::kDecodeFailed,
        absl::StrCat("the size of the frames of ", demuxer->io_->source().name(),
                     " cannot be told: its video stream is damaged, cut off before its first key frame, or has more "
                     "pixels than the limit of ",
                     limits.max_frame_pixels, " (limits.max_frame_pixels of the server's configuration)"));
  }
  const AVCodecParameters& codec = *demuxer->stream_->codecpar;
  RETURN_IF_ERROR(CheckFrameSize(kFrames, {codec.width, codec.height}, limits));
  RETURN_IF_ERROR(CheckLength(*format, *demuxer->stream_, limits));
  if (avformat_index_get_entries_count(demuxer->stream_) > demuxer->max_packets_) return TooManyFrames(limits);
  return demuxer;
}

absl::Status Demuxer::OpenContainer() {
  AVFormatContext* format = avformat_alloc_context();
  if (format == nullptr) {
    return OutOfMemory("opening the source");
  }
  format->pb = io_->context();
  format->flags |= AVFMT_FLAG_CUSTOM_IO;
  format->max_streams = kMaxStreams;
  format->interrupt_callback = {&IsInterrupted, this};
  format->io_open = &RefuseToOpen;
  format->format_whitelist = av_strdup(kFormats);
  // No protocol has this name, so none may be opened.
  format->protocol_whitelist = av_strdup("none");
  int opened = 0;
  {
    const ContainerBudget::Scope scope(budget_);
    // Frees `format` on failure.
    opened = avformat_open_input(&format, /*url=*/nullptr, /*fmt=*/nullptr, /*options=*/nullptr);
  }
  if (opened >= 0) format_.reset(format);
  RETURN_IF_ERROR(Verdict());
  return opened < 0 ? CannotRead(opened) : absl::OkStatus();
}

absl::Status Demuxer::FindStreamInfo() {
  std::vector<AVDictionary*> options(format_->nb_streams, nullptr);
  for (AVDictionary*& option : options) av_dict_set_int(&option, "max_pixels", limits_.max_frame_pixels, 0);
  int found = 0;
  {
    const ContainerBudget::Scope scope(budget_);
    found = avformat_find_stream_info(format_.get(), options.empty() ? nullptr : options.data());
  }
  for (AVDictionary*& option : options) av_dict_free(&option);
  RETURN_IF_ERROR(Verdict());
  return found < 0 ? CannotRead(found) : absl::OkStatus();
}

absl::Status Demuxer::Verdict() const {
  RETURN_IF_ERROR(io_->status());
  RETURN_IF_ERROR(io_->cancel().status());
  return budget_.status(io_->source().name());
}

int Demuxer::IsInterrupted(void* self) {
  auto& demuxer = *static_cast<Demuxer*>(self);
  return demuxer.io_->cancel().cancelled() || !demuxer.budget_.HasTime() ? 1 : 0;
}

absl::Status Demuxer::NotAVideo(std::string_view why) {
  const std::string& name = io_->source().name();
  if (EndsBeforeIndex(io_->source(), io_->cancel())) {
    return InvalidArgument(Reason::kSourceTruncated,
                           absl::StrCat(name,
                                        " ends before its index (moov): it was cut off or is still being "
                                        "written; send the whole file"));
  }
  RETURN_IF_ERROR(io_->cancel().status());
  return InvalidArgument(Reason::kSourceNotVideo, absl::StrCat(name, " ", std::string(why)));
}

absl::Status Demuxer::CannotRead(int error) {
  if (error == AVERROR(ENOMEM)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
                     absl::StrCat(io_->source().name(),
                                  " claims to hold more than there is memory for: it is damaged, or made to harm"));
  }
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof(text));
  return NotAVideo(absl::StrCat("is not a video file that can be read (", text,
                                "); supported are MP4, MOV, Matroska, WebM, MPEG-TS, MPEG-PS, AVI, FLV, IVF, OGG, ASF, "
                                "MXF, GIF, Y4M, DV and raw H.264, HEVC, AV1 and MPEG-4"));
}

absl::Status Demuxer::ChooseStream() {
  // The stream marked as default, else the largest one. Cover art and thumbnails are pictures, not video.
  std::tuple<bool, int64_t> best{false, -1};
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream* stream = format_->streams[i];
    stream->discard = AVDISCARD_ALL;
    const AVCodecParameters& codec = *stream->codecpar;
    if (codec.codec_type != AVMEDIA_TYPE_VIDEO) continue;
    if (stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) continue;
    const std::tuple<bool, int64_t> rank{(stream->disposition & AV_DISPOSITION_DEFAULT) != 0,
                                         static_cast<int64_t>(codec.width) * codec.height};
    if (stream_ == nullptr || rank > best) {
      best = rank;
      stream_ = stream;
    }
  }
  if (stream_ == nullptr) {
    return NotAVideo("has no video stream");
  }
  stream_->discard = AVDISCARD_DEFAULT;
  return absl::OkStatus();
}

absl::StatusOr<bool> Demuxer::Read(AVPacket* packet) {
  int failures = 0;
  while (true) {
    int result = 0;
    {
      const ContainerBudget::Scope scope(budget_);
      result = av_read_frame(format_.get(), packet);
    }
    RETURN_IF_ERROR(Verdict());
    if (result == AVERROR_EOF) return false;
    if (result < 0) {
      ++errors_;
      // Some demuxers report the end of a damaged file as an error, for ever.
      if (++failures >= kMaxFailuresInARow || avio_feof(io_->context())) return false;
      continue;
    }
    failures = 0;
    budget_.HasPacket();
    if (packet->stream_index != stream_->index || packet->size == 0) {
      av_packet_unref(packet);
      continue;
    }
    // Also of packets that no frame comes of, there is an end.
    if (++packets_ > max_packets_) return TooManyFrames(limits_);
    if (packet->flags & AV_PKT_FLAG_CORRUPT) truncated_ = true;
    if (packet->buf != nullptr) ContainerBudget::HandOver(packet->buf->data);
    return true;
  }
}

bool Demuxer::Seek(int64_t timestamp) {
  const ContainerBudget::Scope scope(budget_);
  return av_seek_frame(format_.get(), stream_->index, timestamp, AVSEEK_FLAG_BACKWARD) >= 0;
}

}  // namespace reelsight::orchestrator
