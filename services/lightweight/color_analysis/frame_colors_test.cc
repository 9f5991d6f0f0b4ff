// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/frame_colors.h"

#include <cmath>
#include <functional>
#include <random>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::color_analysis {
namespace {

using analysis::Image;
using analysis::ImageSize;
using analysis::PixelFormat;

Image MakeImage(ImageSize size, const std::function<Rgb(int x, int y)>& color) {
  Image image(PixelFormat::kRgb24, size);
  uint8_t* out = image.mutable_plane(0);
  for (int y = 0; y < size.height_px; ++y) {
    for (int x = 0; x < size.width_px; ++x) {
      const Rgb rgb = color(x, y);
      *out++ = rgb.red;
      *out++ = rgb.green;
      *out++ = rgb.blue;
    }
  }
  return image;
}

FrameColors Measure(const Image& image) {
  ColorHistogram histogram;
  return *MeasureColors(image, histogram);
}

TEST(FrameColorsTest, GrayHasNoSaturationAndNoContrast) {
  const FrameColors colors = Measure(MakeImage({160, 90}, [](int, int) { return Rgb{128, 128, 128}; }));
  EXPECT_EQ(colors.sums.pixels, 160 * 90);
  EXPECT_NEAR(colors.sums.lightness / 14400, 0.53585, 1e-4);
  EXPECT_NEAR(colors.sums.squared_lightness / 14400, 0.53585 * 0.53585, 1e-4);
  EXPECT_EQ(colors.sums.saturation, 0);
  EXPECT_NEAR(colors.sums.linear.green / 14400, 0.21586, 1e-5);
  ASSERT_EQ(colors.cells.size(), 1u);
  EXPECT_EQ(colors.cells[0].count, 14400);
}

TEST(FrameColorsTest, TwoColorsGiveTwoCellsLargestFirst) {
  const FrameColors colors = Measure(MakeImage({10, 10}, [](int x, int) {
    return x < 3 ? Rgb{255, 0, 0} : Rgb{0, 0, 255};
  }));
  ASSERT_EQ(colors.cells.size(), 2u);
  EXPECT_EQ(colors.cells[0].count, 70);
  EXPECT_NEAR(colors.cells[0].mean.lightness, 32.296, 0.01);
  EXPECT_EQ(colors.cells[1].count, 30);
  EXPECT_NEAR(colors.cells[1].mean.a, 80.092, 0.01);
  EXPECT_NEAR(colors.sums.saturation, 100, 1e-6);
}

TEST(FrameColorsTest, GraysFourLevelsApartAreCellsOfTheirOwn) {
  // All 64 of them: a grey picture has nothing but lightness to be clustered by.
  const FrameColors colors = Measure(MakeImage({64, 2}, [](int x, int) {
    const auto level = static_cast<uint8_t>(4 * x);
    return Rgb{level, level, level};
  }));
  EXPECT_EQ(colors.cells.size(), 64u);
}

TEST(FrameColorsTest, TellsBlackFromWhiteFromTheRest) {
  const auto all = [](Rgb rgb) { return Measure(MakeImage({20, 10}, [rgb](int, int) { return rgb; })); };
  EXPECT_TRUE(all({0, 0, 0}).IsBlack());
  EXPECT_TRUE(all({12, 12, 14}).IsBlack());
  EXPECT_FALSE(all({30, 30, 30}).IsBlack());
  EXPECT_TRUE(all({255, 255, 255}).IsWhite());
  EXPECT_FALSE(all({255, 255, 0}).IsWhite());
  EXPECT_FALSE(all({220, 220, 220}).IsWhite());
  // Text of 2% on black is a picture, a speck of 1% is not.
  const auto bright = [](int pixels) {
    return Measure(MakeImage({20, 10}, [pixels](int x, int y) {
      return y * 20 + x < pixels ? Rgb{255, 255, 255} : Rgb{0, 0, 0};
    }));
  };
  EXPECT_TRUE(bright(2).IsBlack());
  EXPECT_FALSE(bright(4).IsBlack());
}

TEST(FrameColorsTest, SmallestPicturesWork) {
  const FrameColors colors = Measure(MakeImage({2, 2}, [](int x, int) {
    return x == 0 ? Rgb{0, 0, 0} : Rgb{255, 255, 255};
  }));
  EXPECT_EQ(colors.sums.pixels, 4);
  EXPECT_NEAR(colors.sums.lightness, 2, 1e-4);
  EXPECT_EQ(colors.cells.size(), 2u);
}

Image Noise(uint32_t seed) {
  std::mt19937 random(seed);
  return MakeImage({160, 160}, [&random](int, int) {
    const auto next = [&random] { return static_cast<uint8_t>(random()); };
    return Rgb{next(), next(), next()};
  });
}

TEST(FrameColorsTest, AnyPictureFitsIntoFourKibAndLosesNoPixel) {
  const FrameColors colors = Measure(Noise(3));
  EXPECT_EQ(colors.cells.size(), static_cast<size_t>(kMaxCells));
  int64_t pixels = 0;
  for (const ColorCell& cell : colors.cells) pixels += cell.count;
  EXPECT_EQ(pixels, 160 * 160);
  EXPECT_LE(EncodeFrameColors(colors).size(), 4096u);
}

TEST(FrameColorsTest, SurvivesEncoding) {
  const FrameColors colors = Measure(Noise(4));
  const absl::StatusOr<FrameColors> decoded = DecodeFrameColors(EncodeFrameColors(colors));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->sums.pixels, colors.sums.pixels);
  EXPECT_EQ(decoded->sums.lightness, colors.sums.lightness);
  EXPECT_EQ(decoded->sums.squared_lightness, colors.sums.squared_lightness);
  EXPECT_EQ(decoded->sums.saturation, colors.sums.saturation);
  EXPECT_EQ(decoded->sums.linear.blue, colors.sums.linear.blue);
  ASSERT_EQ(decoded->cells.size(), colors.cells.size());
  for (size_t i = 0; i < colors.cells.size(); ++i) {
    EXPECT_EQ(decoded->cells[i].count, colors.cells[i].count);
    EXPECT_NEAR(decoded->cells[i].mean.lightness, colors.cells[i].mean.lightness, 0.002);
    EXPECT_NEAR(decoded->cells[i].mean.a, colors.cells[i].mean.a, 0.002);
    EXPECT_NEAR(decoded->cells[i].mean.b, colors.cells[i].mean.b, 0.002);
  }
}

TEST(FrameColorsTest, RefusesWhatIsNotAPayload) {
  const std::string good = EncodeFrameColors(Measure(Noise(5)));
  for (const std::string& bad : {std::string(), std::string("\x01"), std::string(300, '\xff'), good + "x",
                                 good.substr(0, good.size() / 2), "\x02" + good.substr(1)}) {
    EXPECT_EQ(GetReason(DecodeFrameColors(bad).status()), "BAD_FRAME");
  }
}

TEST(FrameColorsTest, RefusesOtherLayouts) {
  ColorHistogram histogram;
  const Image gray(PixelFormat::kGray8, {4, 4});
  EXPECT_EQ(GetReason(MeasureColors(gray, histogram).status()), "BAD_FRAME");
}

}  // namespace
}  // namespace reelsight::color_analysis
