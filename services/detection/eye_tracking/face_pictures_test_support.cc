// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/face_pictures_test_support.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shared/testing/clips.h"

namespace reelsight::eye_tracking {

using analysis::Image;
using analysis::PixelFormat;

std::shared_ptr<const Image> ReadFrame(const std::string& file, double seconds, const std::string& filter) {
  const char* const source = std::getenv("REELSIGHT_SOURCE_DIR");
  const std::string path = absl::StrCat(source == nullptr ? "." : source, "/.deps/media/", file);
  if (!std::filesystem::exists(path)) return nullptr;
  std::vector<std::string> command = {"ffmpeg", "-v", "error"};
  // Seeking in a still loses it.
  if (seconds > 0) command.insert(command.end(), {"-ss", absl::StrCat(seconds)});
  command.insert(command.end(), {"-i", path, "-frames:v", "1", "-vf", filter, "-f", "image2pipe", "-c:v", "ppm",
                                 "-pix_fmt", "rgb24", "-"});
  const std::string ppm = testing::RunProgram(command);
  // A PPM says its size: P6, width, height, 255, each followed by one space character, then the pixels.
  int width = 0, height = 0, used = 0;
  if (std::sscanf(ppm.c_str(), "P6 %d %d 255%n", &width, &height, &used) != 2) {
    ADD_FAILURE() << "ffmpeg gave no picture of " << path;
    return PlainPicture(2, 2, 0);
  }
  auto image = std::make_shared<Image>(PixelFormat::kRgb24, analysis::ImageSize{width, height});
  std::memcpy(image->mutable_plane(0), ppm.data() + used + 1, image->bytes().size());
  return image;
}

std::shared_ptr<const Image> PlainPicture(int width_px, int height_px, uint8_t value) {
  auto image = std::make_shared<Image>(PixelFormat::kRgb24, analysis::ImageSize{width_px, height_px});
  std::memset(image->mutable_plane(0), value, image->bytes().size());
  return image;
}

}  // namespace reelsight::eye_tracking
