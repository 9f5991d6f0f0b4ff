// SPDX-License-Identifier: Apache-2.0
//
// The motion of the background between two neighbouring pictures, as a similarity: shift, change of size and turn.
// Corners, spread evenly over the picture, are tracked by pyramidal Lucas-Kanade to a fraction of a pixel; a robust fit
// then finds the motion that most of the picture's area follows: a corner counts for the area that it is nearest to,
// and more towards the corners, which the background reaches and the subject seldom does. So a moving foreground does
// not matter as long as it covers clearly less than half. Not a stabiliser: it follows no path over time.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "shared/analysis/image.h"

namespace reelsight::camera_analysis {

// Motion of the picture's content, not of the camera, from the earlier picture to the later one.
struct GlobalMotion {
  // Shift of the point that was at the centre, in pixels; y grows downwards.
  double shift_x_px = 0;
  double shift_y_px = 0;
  // Natural logarithm of the growth of the picture; 0.01 is about 1% larger.
  double log_scale = 0;
  // Clockwise turn of the picture as seen on the screen, in radians.
  double turn_radians = 0;
  // Share of the tracked points that follow this motion, in [0, 1]; 0 where no motion could be found, and then the
  // motion is that of rest.
  double inlier_share = 0;
  // Points tracked.
  int points = 0;
  // True if the two pictures are equal, as where a frame was shown twice.
  bool repeated = false;
};

// Where a point of the earlier picture went.
struct TrackedPoint {
  double x_px = 0, y_px = 0;
  double to_x_px = 0, to_y_px = 0;
  // How much it counts, > 0.
  double weight = 1;
};

// Sets the weights of points of a picture of this size, see above.
void WeighByArea(std::vector<TrackedPoint>& points, int width_px, int height_px);

// Robust similarity about (center_x, center_y). Deterministic. inlier_share is 0 if there are fewer than 8 points or no
// motion that at least a quarter of them follow by weight.
GlobalMotion FitMotion(const std::vector<TrackedPoint>& points, double center_x_px, double center_y_px);

// Tracks corners from `earlier` to `later`, both GRAY8 and of one size, else INVALID_ARGUMENT, BAD_FRAME. Depends on
// nothing but the two pictures.
absl::StatusOr<GlobalMotion> EstimateMotion(const analysis::Image& earlier, const analysis::Image& later);

}  // namespace reelsight::camera_analysis
