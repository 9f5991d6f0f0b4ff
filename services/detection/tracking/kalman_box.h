// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "shared/inference/boxes.h"

namespace reelsight::tracking {

// Kalman filter of one box: centre x and y, aspect ratio, height, and their velocities; constant velocity. The noise is
// that of SORT's successors (standard deviations of a 20th of the height for places, a 160th for velocities, a frame at
// 30 frames a second) [Wojke et al., DeepSORT, 2017; Zhang et al., ByteTrack, 2022], grown with the time between
// samples. x and y do not influence each other, so four filters of two states each do the work of one of eight.
class KalmanBox {
 public:
  explicit KalmanBox(const inference::Box& box);

  // Moves on by `seconds` > 0.
  void Predict(double seconds);
  // Takes in what was seen.
  void Update(const inference::Box& box);
  // Where the box is thought to be.
  inference::Box box() const;

 private:
  // A place and its velocity in a second, with their covariance.
  struct State {
    double place = 0;
    double velocity = 0;
    double place_variance = 0;
    double covariance = 0;
    double velocity_variance = 0;
  };
  // Centre x, centre y, aspect ratio (width over height), height.
  std::array<State, 4> states_;
};

}  // namespace reelsight::tracking
