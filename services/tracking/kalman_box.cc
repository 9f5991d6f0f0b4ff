// SPDX-License-Identifier: Apache-2.0
#include "services/tracking/kalman_box.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace reelsight::tracking {
namespace {

constexpr double kFramesPerSecond = 30;
constexpr double kPlaceWeight = 1.0 / 20;
constexpr double kVelocityWeight = 1.0 / 160;
constexpr size_t kAspect = 2, kHeight = 3;
constexpr double kLeast = 1e-4;
constexpr double kMaxSteps = 1000;

double Square(double value) { return value * value; }

std::array<double, 4> Measured(const inference::Box& box) {
  const double height = std::max<double>(box.height(), kLeast);
  return {(box.left + box.right) / 2.0, (box.top + box.bottom) / 2.0, std::max<double>(box.width(), kLeast) / height,
          height};
}

}  // namespace

KalmanBox::KalmanBox(const inference::Box& box) {
  const std::array<double, 4> measured = Measured(box);
  const double height = measured[kHeight];
  for (size_t i = 0; i < states_.size(); ++i) {
    states_[i].place = measured[i];
    states_[i].place_variance = Square(i == kAspect ? 1e-2 : 2 * kPlaceWeight * height);
    // Nothing is known of the velocity at first.
    states_[i].velocity_variance = Square((i == kAspect ? 1e-5 : 10 * kVelocityWeight * height) * kFramesPerSecond);
  }
}

void KalmanBox::Predict(double seconds, bool seen) {
  if (!seen) states_[kHeight].velocity = 0;
  const int steps = static_cast<int>(std::clamp(std::ceil(seconds * kFramesPerSecond - 1e-6), 0.0, kMaxSteps));
  for (int i = 0; i < steps; ++i) Step(seconds / steps);
}

// At most a frame, unless the time is very long.
void KalmanBox::Step(double seconds) {
  const double height = std::max(states_[kHeight].place, kLeast);
  const double frames = seconds * kFramesPerSecond;
  for (size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    state.place += state.velocity * seconds;
    state.place_variance += 2 * seconds * state.covariance + seconds * seconds * state.velocity_variance;
    state.covariance += seconds * state.velocity_variance;
    state.place_variance += frames * Square(i == kAspect ? 1e-2 : kPlaceWeight * height);
    state.velocity_variance += frames * Square((i == kAspect ? 1e-5 : kVelocityWeight * height) * kFramesPerSecond);
  }
}

void KalmanBox::Update(const inference::Box& box) {
  const std::array<double, 4> measured = Measured(box);
  const double height = std::max(states_[kHeight].place, kLeast);
  for (size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    const double noise = Square(i == kAspect ? 1e-1 : kPlaceWeight * height);
    const double innovation_variance = state.place_variance + noise;
    const double place_gain = state.place_variance / innovation_variance;
    const double velocity_gain = state.covariance / innovation_variance;
    const double innovation = measured[i] - state.place;
    state.place += place_gain * innovation;
    state.velocity += velocity_gain * innovation;
    state.velocity_variance -= velocity_gain * state.covariance;
    state.covariance -= place_gain * state.covariance;
    state.place_variance -= place_gain * state.place_variance;
  }
}

inference::Box KalmanBox::box() const {
  const double height = std::max(states_[kHeight].place, kLeast);
  const double width = std::max(states_[kAspect].place, kLeast) * height;
  return {static_cast<float>(states_[0].place - width / 2), static_cast<float>(states_[1].place - height / 2),
          static_cast<float>(states_[0].place + width / 2), static_cast<float>(states_[1].place + height / 2)};
}

}  // namespace reelsight::tracking
