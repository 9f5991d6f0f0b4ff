// SPDX-License-Identifier: Apache-2.0
//
// Owners of FFmpeg's structs: one alias each, the free function as the deleter. The only header that includes libav
// headers; nothing outside orchestrator/decode includes it.
#pragma once

#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

namespace reelsight::orchestrator {

// For free functions that take the address of the pointer.
template <auto kFree>
struct FreeByAddress {
  template <typename T>
  void operator()(T* pointer) const {
    kFree(&pointer);
  }
};
// For free functions that take the pointer.
template <auto kFree>
struct FreeByPointer {
  template <typename T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};

using FormatHandle = std::unique_ptr<AVFormatContext, FreeByAddress<avformat_close_input>>;
using CodecHandle = std::unique_ptr<AVCodecContext, FreeByAddress<avcodec_free_context>>;
using FrameHandle = std::unique_ptr<AVFrame, FreeByAddress<av_frame_free>>;
using PacketHandle = std::unique_ptr<AVPacket, FreeByAddress<av_packet_free>>;
using FilterGraphHandle = std::unique_ptr<AVFilterGraph, FreeByAddress<avfilter_graph_free>>;
using ScalerHandle = std::unique_ptr<SwsContext, FreeByPointer<sws_freeContext>>;
// The context only; its buffer may be another one by the time it is freed and is freed apart.
using IoHandle = std::unique_ptr<AVIOContext, FreeByAddress<avio_context_free>>;

}  // namespace reelsight::orchestrator
