// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/test_pictures.h"

#include <turbojpeg.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace reelsight::text_overlay {

std::string DataPath(const std::string& name) {
  const char* const source = std::getenv("REELSIGHT_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) + "/services/detection/text_overlay/testdata/" + name;
}

std::shared_ptr<const analysis::Image> LoadJpeg(const std::string& name) {
  std::ifstream file(DataPath(name + ".jpg"), std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const std::string data = bytes.str();
  const auto* const jpeg = reinterpret_cast<const unsigned char*>(data.data());
  const tjhandle decoder = tjInitDecompress();
  int width = 0, height = 0, sampling = 0, colors = 0;
  EXPECT_EQ(tjDecompressHeader3(decoder, jpeg, data.size(), &width, &height, &sampling, &colors), 0) << name;
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kRgb24, analysis::ImageSize{width, height});
  EXPECT_EQ(tjDecompress2(decoder, jpeg, data.size(), image->mutable_plane(0), width, 0, height, TJPF_RGB, 0), 0);
  tjDestroy(decoder);
  return image;
}

}  // namespace reelsight::text_overlay
