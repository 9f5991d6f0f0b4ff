// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "shared/inference/boxes.h"

namespace reelsight::tracking {

// Kalman filter of one box: centre x and y, aspect ratio, height, and their velocities; constant velocity. The noise is
// that of SORT's successors (standard deviations of a 20th of the height for places, a 160th for velocities, a frame at
// 30 frames a second) [Wojke et al., DeepSORT, 2017; Zhang et al., ByteTrack, 2022]. A longer time between samples is
// gone through frame by frame, so the noise grows as theirs does. x and y do not influence each other, so four filters
// of two states each do the work of one of eight.
class KalmanBox {
 public:
  // A place and its velocity in a second, with their covariance.
  struct State {
    double place = 0;
    double velocity = 0;
    double place_variance = 0;
    double covariance = 0;
    double velocity_variance = 0;
  };

  explicit KalmanBox(const inference::Box& box);

  // Moves on by `seconds` >= 0. `seen`: the box was seen at the last sample; a lost one keeps its height.
  void Predict(double seconds, bool seen = true);
  // Takes in what was seen.
  void Update(const inference::Box& box);
  // Where the box is thought to be.
  inference::Box box() const;
  // Centre x, centre y, aspect ratio (width over height), height.
  const std::array<State, 4>& states() const { return states_; }

 private:
  void Step(double seconds);

  std::array<State, 4> states_;
};

}  // namespace reelsight::tracking
