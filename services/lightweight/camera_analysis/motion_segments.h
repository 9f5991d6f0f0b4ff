// SPDX-License-Identifier: Apache-2.0
//
// From the motion between neighbouring frames to spans with one kind of camera motion. Plain values; it knows neither
// pictures nor messages.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "reelsight/v1/camera_analysis.pb.h"

namespace reelsight::camera_analysis {

// Motion of the camera between two neighbouring frames, in the units of v1.CameraAnalysisResult.Sample.
struct MotionRates {
  double pan_per_second = 0;
  double tilt_per_second = 0;
  double zoom_per_second = 0;
  double roll_per_second = 0;
};

struct MotionSample {
  // Presentation times of the two frames.
  absl::Duration from;
  absl::Duration to;
  MotionRates rates;
  // 0: no motion could be estimated; the rates are then 0 too.
  double inlier_share = 0;
  // The two frames are equal.
  bool repeated = false;
  // Mean rates since the sampled frame at `steady_from`, measured over that longer time; nullopt where they could not
  // be. Blind to shake, but exact for slow motion, of which compression leaves little between two neighbouring frames.
  std::optional<MotionRates> steady_rates;
  absl::Duration steady_from;
};

struct MotionSegment {
  absl::Duration start;
  absl::Duration end;
  v1::CameraAnalysisResult::Motion motion = v1::CameraAnalysisResult::STATIC;
  double speed_per_second = 0;
  double score = 0;
};

struct SegmentationOptions {
  // Slowest motion that counts: of the frame's width for pans, of its height for tilts, relative change of size for
  // zooms, radians for rolls, of the frame's diagonal for shake; each per second.
  double min_speed_per_second = 0.02;
  // Shortest segment.
  absl::Duration min_segment = absl::Milliseconds(500);
  // Displayed width / height.
  double aspect_ratio = 16.0 / 9;
};

// Cuts [start, end), one shot, where the motion changes, and names the motion of each part. `samples` lie within the
// shot, in order of time. The segments tile the shot; at least one.
//
// Changes are found by penalised likelihood: each part has one mean and one variance in each direction, so that rest,
// even motion and shake are each one part; the best set of parts is found exactly. A change lies in the middle between
// the two pairs around it. A part is
//   HANDHELD  if the motion's variation is at least min_speed and stronger than its mean, below half a diagonal a
//   second; STATIC    if no mean component reaches its min_speed; PAN, TILT, ZOOM or ROLL if that component makes three
//   quarters of the energy of the components that do; COMPLEX   else.
// A part without any estimated sample (black, without texture) is STATIC with score 0.
// A pair of equal frames among moving ones (a frame shown twice) does not split a motion, but counts for its speed. The
// speed of an even motion that is slow, or has such pairs, is that over the longer time where it is known for most of
// the part and agrees with the pairs.
std::vector<MotionSegment> SegmentMotion(std::span<const MotionSample> samples, absl::Duration start,
                                         absl::Duration end, const SegmentationOptions& options);

}  // namespace reelsight::camera_analysis
