// SPDX-License-Identifier: Apache-2.0
//
// Pictures and networks for the tests of this folder.
#pragma once

#include <memory>
#include <string>

#include "shared/analysis/image.h"
#include "shared/inference/model_runtime.h"
#include "shared/model_store/model_store.h"

namespace reelsight::eye_tracking {

// The installed models of the built-in catalogue.
class InstalledModels {
 public:
  InstalledModels();
  // Empty if the four networks are installed, else what is missing and how to get it.
  const std::string& missing() const { return missing_; }
  inference::ModelSource& source() { return *runtime_; }

 private:
  std::unique_ptr<model_store::ModelStore> store_;
  std::unique_ptr<inference::ModelRuntime> runtime_;
  std::string missing_;
};

// A frame of a file in .deps/media through an ffmpeg filter, for instance ("carphone_pristine.mp4", 1.5, "hflip").
// nullptr if the file is not there.
std::shared_ptr<const analysis::Image> ReadFrame(const std::string& file, double seconds,
                                                 const std::string& filter = "null");

// One colour.
std::shared_ptr<const analysis::Image> PlainPicture(int width_px, int height_px, uint8_t value);

}  // namespace reelsight::eye_tracking
