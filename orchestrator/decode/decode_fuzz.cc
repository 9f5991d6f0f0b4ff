// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the way from a source's bytes to pictures: containers, decoders, planning, conversion. The first byte chooses
// which frames are taken and which picture is made of them.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/plan/frame_schedule.h"
#include "orchestrator/source/content_source.h"

namespace reelsight::orchestrator {
namespace {

// Enough to come past every stage; more only makes single inputs slow.
constexpr int kMaxFrames = 20;

void Decode(uint8_t choice, std::string_view bytes) {
  const CancelToken cancel;
  cancel.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(2));
  VideoDecoder::Options options;
  options.thread_count = 1;
  options.limits.max_frame_pixels = 512 * 512;
  FrameSchedule schedule({{.rule = {.interval_frames = 5}, .neighbours = 1}}, {});
  auto decoder = VideoDecoder::Open(std::make_unique<ContentSource>(nullptr, bytes), std::move(options), cancel);
  if (!decoder.ok()) return;
  if (choice & 1) (*decoder)->Follow(schedule);
  if (choice & 2 && !(*decoder)->SkipTo(absl::Milliseconds(300)).ok()) return;
  const auto converter = FrameConverter::Create((*decoder)->info());
  if (!converter.ok()) return;
  const auto format = static_cast<analysis::PixelFormat>(1 + (choice >> 2) % 3);
  const analysis::FrameSpec spec{format, choice & 32 ? 0 : 48, 0, 0};
  if (analysis::ImageBytes(format, (*converter)->SizeFor(spec)) > int64_t{64} << 20) return;
  for (int i = 0; i < kMaxFrames; ++i) {
    const auto frame = (*decoder)->Next();
    if (!frame.ok() || !frame->has_value()) return;
    analysis::Image image(format, (*converter)->SizeFor(spec));
    if (!(*converter)->Convert(**frame, spec, image).ok()) return;
  }
}

}  // namespace
}  // namespace reelsight::orchestrator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  reelsight::orchestrator::Decode(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
