// SPDX-License-Identifier: Apache-2.0
//
// What the tests of this folder share: opening clips, decoding them whole, and what ffmpeg and ffprobe say of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/plan/frame_schedule.h"
#include "orchestrator/source/byte_source.h"
#include "shared/analysis/image.h"

namespace reelsight::orchestrator {

std::unique_ptr<ByteSource> SourceOf(std::string bytes);
absl::StatusOr<std::unique_ptr<VideoDecoder>> OpenFile(const std::string& path, VideoDecoder::Options options = {});

// A whole video.
struct Decoded {
  v1::VideoInfo info;
  std::vector<int64_t> indexes;
  std::vector<double> offsets;
  std::vector<FrameDecision> decisions;
  // A picture of each frame, where a spec was given.
  std::vector<std::shared_ptr<analysis::Image>> images;
};
absl::StatusOr<Decoded> DecodeRest(VideoDecoder& decoder, const analysis::FrameSpec* spec = nullptr);
// Decodes all, or what `schedule` needs; the test fails if that fails.
Decoded DecodeFile(const std::string& path, const analysis::FrameSpec* spec = nullptr,
                   FrameSchedule* schedule = nullptr, VideoDecoder::Options options = {});

// Offsets of all frames as ffprobe gives them, from the first.
std::vector<double> ProbeOffsets(const std::string& path);
// The frames as `ffmpeg -i path <args> -f rawvideo` writes them, one after the other.
std::string Reference(const std::string& path, const std::vector<std::string>& args);

// Mean of the absolute differences of bytes; sizes must be equal (else a large number).
double MeanDifference(std::string_view a, std::string_view b);
std::string_view BytesOf(const analysis::Image& image);

}  // namespace reelsight::orchestrator
