// SPDX-License-Identifier: Apache-2.0
//
// The frames of a series as points: blurred luma and chroma on a coarse grid, so that distances and straight lines
// between frames mean something though things move.
#pragma once

#include <span>
#include <vector>

#include "services/lightweight/cut_analysis/series.h"

namespace reelsight::cut_analysis {

// Immutable after construction.
class CoarseSeries {
 public:
  explicit CoarseSeries(std::span<const SeriesFrame> series);

  int size() const { return static_cast<int>(points_.size()); }
  // Root mean square difference of two frames, in levels.
  float Distance(int a, int b) const;
  // Root mean square distance of frame `k` from the point at share `a` of the way from `from` to `to`.
  float DistanceFromMix(int k, int from, int to, float share) const;
  // The share `a` whose mix of `from` and `to` is nearest to frame `k`; 0 where the two are equal.
  float Share(int k, int from, int to) const;

 private:
  struct Point {
    // Of luma, U and V; 0 where the vector is filled up.
    std::vector<float> values;
    size_t size = 0;
  };

  std::vector<Point> points_;
};

}  // namespace reelsight::cut_analysis
