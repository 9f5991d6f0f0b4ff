// SPDX-License-Identifier: Apache-2.0
//
// Times the way from a file to the pictures that the four analyzers of the lightweight service want: every frame, pairs
// six times a second, and single frames at 2 and 1 a second. Prints one JSON object.
//
//   decode_benchmark FILE [--threads N] [--only decode]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/source/file_source.h"
#include "shared/base/status.h"
#include "shared/base/stopwatch.h"

namespace reelsight::orchestrator {
namespace {

using analysis::FrameSpec;
using analysis::Image;
using analysis::PixelFormat;

// A picture of each frame whose time passes the next multiple of 1 / fps, and of the frame after it if `pairs`.
struct Consumer {
  FrameSpec spec;
  // 0: every frame.
  double fps = 0;
  bool pairs = false;
  int64_t next = 0;
  bool second = false;

  bool Takes(absl::Duration offset) {
    if (fps == 0) return true;
    if (second) {
      second = false;
      return true;
    }
    if (absl::ToDoubleSeconds(offset) * fps < static_cast<double>(next)) return false;
    while (absl::ToDoubleSeconds(offset) * fps >= static_cast<double>(next)) ++next;
    second = pairs;
    return true;
  }
};

absl::Status Measure(const std::string& path, int threads, bool convert) {
  const Stopwatch start;
  const CancelToken cancel;
  FileSource::Rules rules;
  rules.allow_any_file = true;
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, FileSource::Open(path, rules));
  VideoDecoder::Options options;
  options.thread_count = threads;
  ASSIGN_OR_RETURN(std::unique_ptr<VideoDecoder> decoder,
                   VideoDecoder::Open(std::move(source), std::move(options), cancel));
  ASSIGN_OR_RETURN(std::unique_ptr<FrameConverter> converter, FrameConverter::Create(decoder->info()));
  const absl::Duration open_time = start.elapsed();

  // The frames at 1 a second share the picture of the first.
  std::vector<Consumer> consumers = {{{PixelFormat::kI420, 160}, 0, false},
                                     {{PixelFormat::kGray8, 320}, 6, true},
                                     {{PixelFormat::kRgb24, 160}, 2, false}};
  absl::Duration convert_time;
  int64_t frames = 0;
  int64_t pictures = 0;
  uint64_t sum = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<DecodedFrame> frame, decoder->Next());
    if (!frame.has_value()) break;
    ++frames;
    const Stopwatch begin;
    for (Consumer& consumer : consumers) {
      if (!convert || !consumer.Takes(frame->offset)) continue;
      Image image(consumer.spec.format, converter->SizeFor(consumer.spec));
      RETURN_IF_ERROR(converter->Convert(*frame, consumer.spec, image));
      sum += image.bytes()[0];
      ++pictures;
    }
    convert_time += begin.elapsed();
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "{\"seconds\": %.4f, \"open_seconds\": %.4f, \"convert_seconds\": %.4f, \"frames\": %lld, \"pictures\": %lld, "
      "\"peak_memory_bytes\": %lld, \"sum\": %llu}\n",
      start.elapsed_seconds(), absl::ToDoubleSeconds(open_time), absl::ToDoubleSeconds(convert_time),
      static_cast<long long>(frames), static_cast<long long>(pictures), static_cast<long long>(usage.ru_maxrss) * 1024,
      static_cast<unsigned long long>(sum));
  return absl::OkStatus();
}

}  // namespace
}  // namespace reelsight::orchestrator

int main(int argc, char** argv) {
  std::string path;
  int threads = 0;
  bool convert = true;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      convert = std::strcmp(argv[++i], "decode") != 0;
    } else {
      path = argv[i];
    }
  }
  if (path.empty()) {
    std::fprintf(stderr, "usage: decode_benchmark FILE [--threads N] [--only decode]\n");
    return 2;
  }
  const absl::Status status = reelsight::orchestrator::Measure(path, threads, convert);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
