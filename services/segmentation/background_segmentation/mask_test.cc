// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/mask.h"

#include <png.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::background_segmentation {
namespace {

using ::testing::ElementsAre;

TEST(MaskTest, RunLengthsBeginWithBackground) {
  EXPECT_THAT(EncodeRunLengths({{3, 2}, {0, 0, 255, 255, 127, 128}}), ElementsAre(2, 2, 1, 1));
  EXPECT_THAT(EncodeRunLengths({{2, 1}, {255, 255}}), ElementsAre(0, 2));
  EXPECT_THAT(EncodeRunLengths({{2, 1}, {0, 0}}), ElementsAre(2));
}

TEST(MaskTest, PngHoldsThePixels) {
  GreyImage image{{37, 19}, {}};
  for (int i = 0; i < 37 * 19; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 7));
  const auto bytes = EncodePng(image);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&png, bytes->data(), bytes->size()), 0) << png.message;
  EXPECT_EQ(png.width, 37);
  EXPECT_EQ(png.height, 19);
  EXPECT_EQ(png.format, static_cast<png_uint_32>(PNG_FORMAT_GRAY));
  std::vector<uint8_t> pixels(image.pixels.size());
  ASSERT_NE(png_image_finish_read(&png, nullptr, pixels.data(), 0, nullptr), 0) << png.message;
  EXPECT_EQ(pixels, image.pixels);
}

TEST(MaskTest, ShrinksButNeverEnlarges) {
  const GreyImage image{{4, 2}, {0, 100, 200, 200, 0, 100, 200, 200}};
  EXPECT_EQ(ShrinkByMean(image, 8).pixels, image.pixels);
  const GreyImage half = ShrinkByMean(image, 2);
  EXPECT_EQ(half.size, (analysis::ImageSize{2, 1}));
  EXPECT_THAT(half.pixels, ElementsAre(50, 200));
  const GreyImage labels{{6, 3}, {1, 1, 1, 9, 9, 9, 1, 1, 1, 9, 9, 9, 1, 1, 1, 9, 9, 9}};
  EXPECT_THAT(ShrinkByNearest(labels, 2).pixels, ElementsAre(1, 9));
  EXPECT_EQ(ShrinkByMean({{1000, 1}, std::vector<uint8_t>(1000)}, 16).size, (analysis::ImageSize{16, 1}));
}

}  // namespace
}  // namespace reelsight::background_segmentation
