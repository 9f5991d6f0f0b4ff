// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/tone_mapper.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// A video has one kind of frame and a few specs; more means that frames change, and old graphs may go.
constexpr size_t kMaxGraphs = 8;

absl::Status Failed(const char* what, int error) {
  if (error == AVERROR(ENOMEM)) return OutOfMemory("tone mapping");
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof(text));
  return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat("tone mapping: ", what, ": ", text));
}

// zimg reads whole AVX-512 registers: every row of every plane must begin at a multiple of this many bytes. zscale
// copies frames that do not, but looks at the first plane only; FFmpeg itself, when it crops a frame, keeps to 32
// bytes.
constexpr int kAlignBytes = 64;

bool IsAligned(const AVFrame& frame) {
  for (int i = 0; i < AV_NUM_DATA_POINTERS && frame.data[i] != nullptr; ++i) {
    if (reinterpret_cast<uintptr_t>(frame.data[i]) % kAlignBytes != 0 || frame.linesize[i] % kAlignBytes != 0) {
      return false;
    }
  }
  return true;
}

// 0, or FFmpeg's error.
int Align(FrameHandle& frame) {
  FrameHandle aligned(av_frame_alloc());
  if (aligned == nullptr) return AVERROR(ENOMEM);
  aligned->format = frame->format;
  aligned->width = frame->width;
  aligned->height = frame->height;
  int error = av_frame_get_buffer(aligned.get(), kAlignBytes);
  if (error >= 0) error = av_frame_copy(aligned.get(), frame.get());
  if (error >= 0) error = av_frame_copy_props(aligned.get(), frame.get());
  if (error >= 0) frame = std::move(aligned);
  return std::min(error, 0);
}

}  // namespace

absl::StatusOr<ToneMapper::Graph*> ToneMapper::GraphFor(const AVFrame& frame, analysis::ImageSize size) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const analysis::ImageSize from{frame.width, frame.height};
  for (Graph& graph : graphs_) {
    if (graph.format == format && graph.from == from && graph.to == size && graph.transfer == frame.color_trc) {
      return &graph;
    }
  }
  if (graphs_.size() >= kMaxGraphs) graphs_.erase(graphs_.begin());
  Graph made{format, from, size, frame.color_trc, FilterGraphHandle(avfilter_graph_alloc())};
  if (made.graph == nullptr) return Failed("allocation", AVERROR(ENOMEM));
  made.graph->nb_threads = 1;
  // Scaled in the coded values first; then to linear light with the white of SDR at 100 cd/m2, BT.709 primaries, the
  // highlights compressed by Hable's curve, and back to coded values.
  // zscale takes and gives no picture whose side is not a multiple of its chroma's.
  constexpr char kWholeChroma[] = ",format=yuv444p16le";
  const AVPixFmtDescriptor* const description = av_pix_fmt_desc_get(format);
  const auto fits = [&](analysis::ImageSize sides) {
    return description != nullptr && sides.width_px % (1 << description->log2_chroma_w) == 0 &&
           sides.height_px % (1 << description->log2_chroma_h) == 0;
  };
  const std::string chain =
      absl::StrCat("buffer@in=video_size=", frame.width, "x", frame.height, ":pix_fmt=", static_cast<int>(format),
                   ":time_base=1/1:pixel_aspect=1/1", fits(from) ? "" : absl::StrCat(",scale", kWholeChroma),
                   ",zscale=w=", size.width_px, ":h=", size.height_px, ":f=bilinear", fits(size) ? "" : kWholeChroma,
                   ",zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
                   "zscale=t=bt709:m=smpte170m:r=tv,format=yuv444p,buffersink@out");
  AVFilterInOut* open_inputs = nullptr;
  AVFilterInOut* open_outputs = nullptr;
  int error = avfilter_graph_parse2(made.graph.get(), chain.c_str(), &open_inputs, &open_outputs);
  avfilter_inout_free(&open_inputs);
  avfilter_inout_free(&open_outputs);
  if (error >= 0) error = avfilter_graph_config(made.graph.get(), nullptr);
  if (error < 0) return Failed("making the filters", error);
  made.source = avfilter_graph_get_filter(made.graph.get(), "buffer@in");
  made.sink = avfilter_graph_get_filter(made.graph.get(), "buffersink@out");
  if (made.source == nullptr || made.sink == nullptr) return Failed("finding the filters", AVERROR(EINVAL));
  graphs_.push_back(std::move(made));
  return &graphs_.back();
}

absl::StatusOr<FrameHandle> ToneMapper::Map(const AVFrame& frame, analysis::ImageSize size) {
  FrameHandle input(av_frame_clone(&frame));
  FrameHandle output(av_frame_alloc());
  if (input == nullptr || output == nullptr) return Failed("allocation", AVERROR(ENOMEM));
  // HDR that does not say more is BT.2020, limited range.
  if (input->colorspace == AVCOL_SPC_UNSPECIFIED) input->colorspace = AVCOL_SPC_BT2020_NCL;
  if (input->color_primaries == AVCOL_PRI_UNSPECIFIED) input->color_primaries = AVCOL_PRI_BT2020;
  if (input->color_range == AVCOL_RANGE_UNSPECIFIED) input->color_range = AVCOL_RANGE_MPEG;
  if (!IsAligned(*input)) {
    if (const int error = Align(input); error < 0) return Failed("aligning a frame", error);
  }
  ASSIGN_OR_RETURN(Graph * graph, GraphFor(*input, size));
  if (const int error = av_buffersrc_add_frame(graph->source, input.get()); error < 0) return Failed("input", error);
  if (const int error = av_buffersink_get_frame(graph->sink, output.get()); error < 0) return Failed("output", error);
  output->colorspace = AVCOL_SPC_SMPTE170M;
  output->color_range = AVCOL_RANGE_MPEG;
  output->color_trc = AVCOL_TRC_BT709;
  return output;
}

}  // namespace reelsight::orchestrator
