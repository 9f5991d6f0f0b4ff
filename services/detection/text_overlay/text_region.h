// SPDX-License-Identifier: Apache-2.0
//
// Places of text in a picture and what is read there.
#pragma once

#include <array>
#include <string>

namespace reelsight::text_overlay {

struct Point {
  float x = 0;
  float y = 0;
};

// Top left, top right, bottom right, bottom left, as the reader of an upright picture sees them. In pixels of the
// picture: pixel (i, j) lies at the point (i, j).
using Quad = std::array<Point, 4>;

// A place that a detector calls text.
struct TextRegion {
  Quad quad;
  // Mean of the detector's map in it, in [0, 1].
  float score = 0;
};

// What a recogniser reads in a region.
struct Reading {
  Quad quad;
  // UTF-8; not empty.
  std::string text;
  // Mean probability of its characters, in [0, 1].
  float score = 0;
};

}  // namespace reelsight::text_overlay
