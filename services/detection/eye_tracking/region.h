// SPDX-License-Identifier: Apache-2.0
//
// Square, turned parts of a picture that face networks look at, and places in pictures.
#pragma once

#include "shared/inference/boxes.h"
#include "shared/inference/image_tensor.h"

namespace reelsight::eye_tracking {

// In pixels of the picture: x grows to the right, y grows downwards, pixel (0, 0) covers [0, 1) x [0, 1).
struct Point {
  double x = 0;
  double y = 0;
};

// As Point; z is depth in the same unit, smaller towards the camera.
struct Point3 {
  double x = 0;
  double y = 0;
  double z = 0;
};

// A square that may reach beyond the picture.
struct Region {
  Point center;
  double side_px = 0;
  // Clockwise turn as seen in the picture.
  double angle_radians = 0;
  // If true, the network sees it mirrored.
  bool mirrored = false;

  // From the pixels of a network's input of `input_px` x `input_px` to pixels of the picture.
  inference::Affine ToPicture(int input_px) const;
};

// The square with the centre and the long side of `box`, `scale` times as long, turned by the line from `start` to
// `end` [MediaPipe: DetectionsToRectsCalculator, RectTransformationCalculator with square_long].
Region RegionAround(const inference::Box& box, Point start, Point end, double scale);

}  // namespace reelsight::eye_tracking
