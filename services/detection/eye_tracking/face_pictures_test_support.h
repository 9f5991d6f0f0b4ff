// SPDX-License-Identifier: Apache-2.0
//
// Pictures for the tests of this folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/analysis/image.h"

namespace reelsight::eye_tracking {

// The networks that `eye_tracking` uses.
inline const std::vector<std::string> kFaceModels = {"blazeface_short_range", "blazeface_full_range",
                                                     "mediapipe_face_landmark", "mediapipe_iris_landmark"};

// A frame of a file in .deps/media through an ffmpeg filter, for instance ("carphone_pristine.mp4", 1.5, "hflip").
// nullptr if the file is not there.
std::shared_ptr<const analysis::Image> ReadFrame(const std::string& file, double seconds,
                                                 const std::string& filter = "null");

// One colour.
std::shared_ptr<const analysis::Image> PlainPicture(int width_px, int height_px, uint8_t value);

}  // namespace reelsight::eye_tracking
