// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/decode_test_support.h"

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "gtest/gtest.h"
#include "orchestrator/source/content_source.h"
#include "shared/base/status.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {

std::unique_ptr<ByteSource> SourceOf(std::string bytes) {
  const auto owner = std::make_shared<const std::string>(std::move(bytes));
  return std::make_unique<ContentSource>(owner, *owner);
}

absl::StatusOr<std::unique_ptr<VideoDecoder>> OpenFile(const std::string& path, VideoDecoder::Options options) {
  if (options.thread_count == 0) options.thread_count = 2;
  return VideoDecoder::Open(SourceOf(testing::ReadFile(path)), std::move(options), CancelToken());
}

absl::StatusOr<Decoded> DecodeRest(VideoDecoder& decoder, const analysis::FrameSpec* spec) {
  Decoded decoded;
  ASSIGN_OR_RETURN(const std::unique_ptr<FrameConverter> converter, FrameConverter::Create(decoder.info()));
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<DecodedFrame> frame, decoder.Next());
    if (!frame.has_value()) break;
    decoded.indexes.push_back(frame->index);
    decoded.offsets.push_back(absl::ToDoubleSeconds(frame->offset));
    decoded.decisions.push_back(frame->decision);
    if (spec == nullptr) continue;
    auto image = std::make_shared<analysis::Image>(spec->format, converter->SizeFor(*spec));
    RETURN_IF_ERROR(converter->Convert(*frame, *spec, *image));
    decoded.images.push_back(std::move(image));
  }
  decoded.info = decoder.info();
  return decoded;
}

Decoded DecodeFile(const std::string& path, const analysis::FrameSpec* spec, FrameSchedule* schedule,
                   VideoDecoder::Options options) {
  absl::StatusOr<std::unique_ptr<VideoDecoder>> decoder = OpenFile(path, std::move(options));
  if (!decoder.ok()) {
    ADD_FAILURE() << decoder.status();
    return {};
  }
  if (schedule != nullptr) (*decoder)->Follow(*schedule);
  absl::StatusOr<Decoded> decoded = DecodeRest(**decoder, spec);
  if (!decoded.ok()) {
    ADD_FAILURE() << decoded.status();
    return {};
  }
  return *std::move(decoded);
}

std::vector<double> ProbeOffsets(const std::string& path) {
  std::istringstream lines(testing::RunProgram({"ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
                                                "frame=best_effort_timestamp_time", "-of", "csv=p=0", path}));
  std::vector<double> offsets;
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty()) continue;
    offsets.push_back(std::strtod(line.c_str(), nullptr));
  }
  for (size_t i = offsets.size(); i-- > 0;) offsets[i] -= offsets[0];
  return offsets;
}

std::string Reference(const std::string& path, const std::vector<std::string>& args) {
  std::vector<std::string> command = {"ffmpeg", "-nostdin", "-v", "error", "-i", path, "-vsync", "passthrough"};
  command.insert(command.end(), args.begin(), args.end());
  command.insert(command.end(), {"-f", "rawvideo", "-"});
  return testing::RunProgram(command);
}

double MeanDifference(std::string_view a, std::string_view b) {
  if (a.size() != b.size() || a.empty()) return 1e9;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<uint8_t>(a[i]) - static_cast<uint8_t>(b[i]));
  return sum / static_cast<double>(a.size());
}

std::string_view BytesOf(const analysis::Image& image) {
  return {reinterpret_cast<const char*>(image.bytes().data()), image.bytes().size()};
}

}  // namespace reelsight::orchestrator
