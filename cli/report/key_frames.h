// SPDX-License-Identifier: Apache-2.0
//
// Pictures for the report, taken from the video file by a second, sparse decode.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/report/report.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/cancel_token.h"

namespace reelsight::report {

struct KeyFrameOptions {
  // Most pictures; each costs about 15 KiB of the page.
  int max_count = 60;
  // Fewer shots than this: the longest shots give further pictures.
  int min_count = 12;
  // Longer side of a picture, in pixels.
  int max_side_px = 448;
  // JPEG quality, 1 to 100.
  int quality = 78;
  // Times at which analyzers saw something, and how many did, ascending: pictures are taken there where they can be, so
  // that what is drawn over them fits. See SampledTimes.
  std::map<absl::Duration, int> sampled;
  // How long a frame stays, so that a place never lies behind the only frame of a shot.
  absl::Duration frame_interval;
  // Threads of the decoder; 0: one more than there are processors.
  int decode_threads = 0;
};

// A place where a picture is wanted.
struct KeyFramePlace {
  absl::Duration offset;
  int shot_index = 0;
  // Of the shot.
  absl::Duration shot_start;
  absl::Duration shot_end = absl::InfiniteDuration();
};

// Presentation times of all observations in the results, with the number of analyzers that have some.
std::map<absl::Duration, int> SampledTimes(const v1::AnalyzeResponse& response);

// Middles of the shots of `timeline`, in order of time; of more than max_count shots an even choice. Where there are
// few shots, long ones are divided evenly, so that there are about min_count places, but none closer than half a
// second. A place moves to the sampled time of its part of the shot at which most analyzers saw something.
std::vector<KeyFramePlace> ChooseKeyFrames(const v1::Timeline& timeline, const KeyFrameOptions& options);

// Decodes the local file `path` and makes a picture of the first frame at or after each place. Frames before the next
// place that the decoder can do without are not decoded. Where that frame belongs to another shot already, as happens
// with variable frame rates, the shot's first frame serves, by a second pass. Errors: as VideoDecoder; INTERNAL from
// the JPEG encoder.
absl::StatusOr<std::vector<KeyFrame>> MakeKeyFrames(const std::string& path, const v1::Timeline& timeline,
                                                    const KeyFrameOptions& options, const CancelToken& cancel);

}  // namespace reelsight::report
