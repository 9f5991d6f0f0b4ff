// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/tone_mapper.h"

#include <cerrno>
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
  ASSIGN_OR_RETURN(Graph * graph, GraphFor(*input, size));
  if (const int error = av_buffersrc_add_frame(graph->source, input.get()); error < 0) return Failed("input", error);
  if (const int error = av_buffersink_get_frame(graph->sink, output.get()); error < 0) return Failed("output", error);
  output->colorspace = AVCOL_SPC_SMPTE170M;
  output->color_range = AVCOL_RANGE_MPEG;
  output->color_trc = AVCOL_TRC_BT709;
  return output;
}

}  // namespace reelsight::orchestrator
