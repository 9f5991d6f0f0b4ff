// SPDX-License-Identifier: Apache-2.0
//
// Pictures of a made-up texture seen by a moving camera. For the tests of this folder.
#pragma once

#include <memory>
#include <optional>

#include "opencv2/core.hpp"
#include "shared/analysis/image.h"

namespace reelsight::camera_analysis {

// Where the camera is: its place in frame widths and heights (y downwards), the growth of the picture, and its turn.
struct CameraPose {
  double x_widths = 0;
  double y_heights = 0;
  double log_scale = 0;
  double clockwise_turns = 0;
};

// A textured disc in front of the background, at a place in the frame.
struct Disc {
  double x_widths = 0.5;
  double y_heights = 0.5;
  // Share of the frame's area.
  double share = 0.3;
};

class TextureScene {
 public:
  TextureScene(int width_px, int height_px, uint32_t seed);

  // GRAY8. `noise_seed` makes noise of two gray levels; 0: none.
  std::shared_ptr<const analysis::Image> Render(const CameraPose& pose, const std::optional<Disc>& disc = std::nullopt,
                                                uint32_t noise_seed = 0) const;

 private:
  cv::Mat View(const cv::Mat& texture, const CameraPose& pose) const;

  const int width_px_;
  const int height_px_;
  cv::Mat background_;
  cv::Mat foreground_;
};

}  // namespace reelsight::camera_analysis
