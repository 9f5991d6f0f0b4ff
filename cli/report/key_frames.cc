// SPDX-License-Identifier: Apache-2.0
#include "cli/report/key_frames.h"

#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/plan/frame_schedule.h"
#include "orchestrator/source/file_source.h"
#include "shared/analysis/image.h"
#include "shared/base/status.h"

namespace reelsight::report {
namespace {

struct TurboJpegCloser {
  void operator()(void* handle) const { tjDestroy(handle); }
};
struct TurboJpegFree {
  void operator()(unsigned char* data) const { tjFree(data); }
};

absl::StatusOr<std::string> EncodeJpeg(const analysis::Image& image, int quality) {
  const std::unique_ptr<void, TurboJpegCloser> encoder(tjInitCompress());
  if (encoder == nullptr) return absl::InternalError("the JPEG encoder does not start");
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const int failed = tjCompress2(encoder.get(), image.plane(0), image.width_px(), image.stride_bytes(0),
                                 image.height_px(), TJPF_RGB, &data, &size, TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, TurboJpegFree> owner(data);
  if (failed != 0) return absl::InternalError(absl::StrCat("JPEG encoder: ", tjGetErrorStr2(encoder.get())));
  return std::string(reinterpret_cast<const char*>(data), size);
}

absl::StatusOr<KeyFrame> MakePicture(orchestrator::FrameConverter& converter, const orchestrator::DecodedFrame& frame,
                                     const KeyFramePlace& place, const KeyFrameOptions& options) {
  const analysis::FrameSpec spec{.format = analysis::PixelFormat::kRgb24, .max_side_px = options.max_side_px};
  analysis::Image image(spec.format, converter.SizeFor(spec));
  RETURN_IF_ERROR(converter.Convert(frame, spec, image));
  KeyFrame picture{.offset = frame.offset,
                   .shot_index = place.shot_index,
                   .width_px = image.width_px(),
                   .height_px = image.height_px()};
  ASSIGN_OR_RETURN(picture.jpeg, EncodeJpeg(image, options.quality));
  return picture;
}

// The first frame at or after each place, up to the next place.
orchestrator::FrameSchedule FirstFramesAfter(const std::vector<KeyFramePlace>& places) {
  std::vector<orchestrator::TimeSpan> spans;
  for (size_t i = 0; i < places.size(); ++i) {
    spans.push_back({places[i].offset, i + 1 < places.size() ? places[i + 1].offset : absl::InfiniteDuration()});
  }
  // So seldom that only the frame which begins a span is due.
  return {{{.rule = {.sample_fps = 1e-9}}}, std::move(spans)};
}

// One pass over the video. Places without a frame in their shot go to `missed`.
absl::Status TakePictures(const std::string& path, const std::vector<KeyFramePlace>& places,
                          const KeyFrameOptions& options, const CancelToken& cancel, std::vector<KeyFrame>& pictures,
                          std::vector<KeyFramePlace>& missed) {
  ASSIGN_OR_RETURN(std::unique_ptr<orchestrator::FileSource> source,
                   orchestrator::FileSource::Open(path, {.allow_any_file = true}));
  orchestrator::VideoDecoder::Options decode;
  decode.thread_count = options.decode_threads;
  orchestrator::FrameSchedule schedule = FirstFramesAfter(places);
  ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::VideoDecoder> decoder,
                   orchestrator::VideoDecoder::Open(std::move(source), std::move(decode), cancel));
  decoder->Follow(schedule);
  ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::FrameConverter> converter,
                   orchestrator::FrameConverter::Create(decoder->info()));
  size_t next = 0;
  while (next < places.size()) {
    RETURN_IF_ERROR(cancel.status());
    ASSIGN_OR_RETURN(const std::optional<orchestrator::DecodedFrame> frame, decoder->Next());
    if (!frame.has_value()) break;
    // A frame serves the last place before it in its own shot.
    std::optional<size_t> served;
    for (; next < places.size() && places[next].offset <= frame->offset; ++next) {
      if (frame->offset < places[next].shot_end) {
        served = next;
      } else {
        missed.push_back(places[next]);
      }
    }
    if (!served.has_value()) continue;
    ASSIGN_OR_RETURN(KeyFrame picture, MakePicture(*converter, *frame, places[*served], options));
    pictures.push_back(std::move(picture));
  }
  missed.insert(missed.end(), places.begin() + static_cast<std::ptrdiff_t>(next), places.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<KeyFrame>> MakeKeyFrames(const std::string& path, const v1::Timeline& timeline,
                                                    const KeyFrameOptions& options, const CancelToken& cancel) {
  std::vector<KeyFrame> pictures;
  std::vector<KeyFramePlace> missed;
  const std::vector<KeyFramePlace> places = ChooseKeyFrames(timeline, options);
  if (!places.empty()) RETURN_IF_ERROR(TakePictures(path, places, options, cancel, pictures, missed));
  std::vector<KeyFramePlace> starts;
  for (KeyFramePlace place : missed) {
    const bool has_one = std::any_of(pictures.begin(), pictures.end(),
                                     [&](const KeyFrame& picture) { return picture.shot_index == place.shot_index; });
    place.offset = place.shot_start;
    if (!has_one && (starts.empty() || starts.back().shot_index != place.shot_index)) starts.push_back(place);
  }
  if (!starts.empty()) {
    missed.clear();
    RETURN_IF_ERROR(TakePictures(path, starts, options, cancel, pictures, missed));
    std::sort(pictures.begin(), pictures.end(),
              [](const KeyFrame& a, const KeyFrame& b) { return a.offset < b.offset; });
  }
  return pictures;
}

}  // namespace reelsight::report
