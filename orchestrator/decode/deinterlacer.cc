// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/deinterlacer.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

absl::Status Failed(const char* what, int error) {
  if (error == AVERROR(ENOMEM)) return OutOfMemory("deinterlacing");
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof(text));
  return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat("deinterlacing: ", what, ": ", text));
}

}  // namespace

bool Deinterlacer::Takes(const AVFrame& frame) {
  // bwdif works on planes and needs a few lines and columns.
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  return format != nullptr && (format->flags & AV_PIX_FMT_FLAG_PLANAR) != 0 &&
         (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_HWACCEL)) == 0 &&
         frame.width >= 16 && frame.height >= 16;
}

absl::Status Deinterlacer::MakeGraph(const AVFrame& frame) {
  graph_.reset(avfilter_graph_alloc());
  if (graph_ == nullptr) return Failed("allocation", AVERROR(ENOMEM));
  graph_->nb_threads = 1;
  const std::string chain =
      absl::StrCat("buffer@in=video_size=", frame.width, "x", frame.height, ":pix_fmt=", frame.format,
                   ":time_base=1/1000:pixel_aspect=1/1,bwdif=mode=send_frame:parity=auto:deint=interlaced,"
                   "buffersink@out");
  AVFilterInOut* open_inputs = nullptr;
  AVFilterInOut* open_outputs = nullptr;
  int error = avfilter_graph_parse2(graph_.get(), chain.c_str(), &open_inputs, &open_outputs);
  avfilter_inout_free(&open_inputs);
  avfilter_inout_free(&open_outputs);
  if (error >= 0) error = avfilter_graph_config(graph_.get(), nullptr);
  if (error < 0) return Failed("making the filter", error);
  source_ = avfilter_graph_get_filter(graph_.get(), "buffer@in");
  sink_ = avfilter_graph_get_filter(graph_.get(), "buffersink@out");
  if (source_ == nullptr || sink_ == nullptr) return Failed("finding the filters", AVERROR(EINVAL));
  width_px_ = frame.width;
  height_px_ = frame.height;
  format_ = frame.format;
  return absl::OkStatus();
}

absl::Status Deinterlacer::Push(FrameHandle frame) {
  if (graph_ == nullptr || frame->width != width_px_ || frame->height != height_px_ || frame->format != format_) {
    RETURN_IF_ERROR(Finish());
    RETURN_IF_ERROR(MakeGraph(*frame));
  }
  FrameHandle properties(av_frame_alloc());
  if (properties == nullptr || av_frame_copy_props(properties.get(), frame.get()) < 0) {
    return Failed("allocation", AVERROR(ENOMEM));
  }
  pushed_.push_back(std::move(properties));
  frame->pts = next_timestamp_++;
  if (const int error = av_buffersrc_add_frame(source_, frame.get()); error < 0) return Failed("input", error);
  return Drain();
}

absl::Status Deinterlacer::Drain() {
  while (true) {
    FrameHandle frame(av_frame_alloc());
    if (frame == nullptr) return Failed("allocation", AVERROR(ENOMEM));
    const int error = av_buffersink_get_frame(sink_, frame.get());
    if (error == AVERROR(EAGAIN) || error == AVERROR_EOF || pushed_.empty()) return absl::OkStatus();
    if (error < 0) return Failed("output", error);
    // One comes out for each that went in, in order; the filter's own timestamps are made up.
    const FrameHandle properties = std::move(pushed_.front());
    pushed_.pop_front();
    frame->pts = properties->pts;
    frame->best_effort_timestamp = properties->best_effort_timestamp;
    frame->pkt_duration = properties->pkt_duration;
    frame->decode_error_flags = properties->decode_error_flags;
    frame->flags = properties->flags;
    ready_.push_back(std::move(frame));
  }
}

absl::Status Deinterlacer::Finish() {
  if (graph_ == nullptr) return absl::OkStatus();
  if (const int error = av_buffersrc_add_frame(source_, nullptr); error < 0) return Failed("input", error);
  RETURN_IF_ERROR(Drain());
  graph_.reset();
  pushed_.clear();
  return absl::OkStatus();
}

void Deinterlacer::Reset() {
  graph_.reset();
  pushed_.clear();
  ready_.clear();
}

FrameHandle Deinterlacer::Pull() {
  if (ready_.empty()) return nullptr;
  FrameHandle frame = std::move(ready_.front());
  ready_.pop_front();
  return frame;
}

}  // namespace reelsight::orchestrator
