// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/cielab.h"

#include <cmath>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "services/lightweight/color_analysis/css_colors.h"

namespace reelsight::color_analysis {
namespace {

// Expected values from scikit-image 0.24.0, skimage.color.rgb2lab.
struct Golden {
  Rgb rgb;
  Lab lab;
};
constexpr Golden kGoldens[] = {
    {{0, 0, 0}, {0, 0, 0}},
    {{255, 255, 255}, {100, -0.0025f, 0.0047f}},
    {{30, 144, 255}, {59.3779f, 9.9538f, -63.3834f}},
    {{255, 0, 0}, {53.2406f, 80.0923f, 67.2028f}},
    {{0, 255, 0}, {87.7351f, -86.1830f, 83.1797f}},
    {{0, 0, 255}, {32.2957f, 79.1856f, -107.8573f}},
    {{128, 128, 128}, {53.5850f, -0.0015f, 0.0028f}},
    {{1, 1, 1}, {0.2742f, 0, 0}},
    {{12, 3, 40}, {2.6778f, 11.6861f, -20.8664f}},
    {{250, 250, 240}, {98.0282f, -1.7254f, 4.7934f}},
};

TEST(CielabTest, AgreesWithScikitImage) {
  for (const Golden& golden : kGoldens) {
    const Lab lab = LabFromRgb(golden.rgb);
    EXPECT_NEAR(lab.lightness, golden.lab.lightness, 2e-3) << ToHex(golden.rgb);
    EXPECT_NEAR(lab.a, golden.lab.a, 2e-3) << ToHex(golden.rgb);
    EXPECT_NEAR(lab.b, golden.lab.b, 2e-3) << ToHex(golden.rgb);
  }
}

TEST(CielabTest, TheFastRowAgreesWithTheExactConversionForAllColorsOfAGrid) {
  std::vector<uint8_t> pixels;
  for (int red = 0; red < 256; red += 5) {
    for (int green = 0; green < 256; green += 5) {
      for (int blue = 0; blue < 256; blue += 5) {
        for (const int value : {red, green, blue}) pixels.push_back(static_cast<uint8_t>(value));
      }
    }
  }
  const int count = static_cast<int>(pixels.size() / 3);
  std::vector<Lab> row(count);
  LabFromRgbRow(pixels.data(), count, row.data());
  for (int i = 0; i < count; ++i) {
    const Lab exact = LabFromRgb({pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]});
    ASSERT_NEAR(row[i].lightness, exact.lightness, 0.01) << i;
    ASSERT_NEAR(row[i].a, exact.a, 0.01) << i;
    ASSERT_NEAR(row[i].b, exact.b, 0.01) << i;
  }
}

TEST(CielabTest, GoesThereAndBack) {
  for (int red = 0; red < 256; red += 15) {
    for (int green = 0; green < 256; green += 15) {
      for (int blue = 0; blue < 256; blue += 15) {
        const Rgb rgb = {static_cast<uint8_t>(red), static_cast<uint8_t>(green), static_cast<uint8_t>(blue)};
        ASSERT_EQ(ToHex(RgbFromLab(LabFromRgb(rgb))), ToHex(rgb));
      }
    }
  }
}

TEST(CielabTest, ClipsColorsOutsideSrgb) {
  EXPECT_EQ(ToHex(RgbFromLab({100, 0, 0})), "#ffffff");
  EXPECT_EQ(RgbFromLab({50, 128, 0}).red, 255);
  EXPECT_EQ(RgbFromLab({50, -128, 0}).red, 0);
}

// Pairs from Sharma, Wu, Dalal (2005), table 1: they cover the turns of the hue, the rotation and gray.
TEST(CielabTest, DeltaE2000AgreesWithThePublishedPairs) {
  struct Pair {
    Lab left, right;
    float delta_e;
  };
  const Pair pairs[] = {
      {{50, 2.6772f, -79.7751f}, {50, 0, -82.7485f}, 2.0425f},
      {{50, 3.1571f, -77.2803f}, {50, 0, -82.7485f}, 2.8615f},
      {{50, -1.3802f, -84.2814f}, {50, 0, -82.7485f}, 1.0f},
      {{50, 0, 0}, {50, -1, 2}, 2.3669f},
      {{50, 2.49f, -0.001f}, {50, -2.49f, 0.0009f}, 7.1792f},
      {{50, 2.49f, -0.001f}, {50, -2.49f, 0.0011f}, 7.2195f},
      {{50, -0.001f, 2.49f}, {50, 0.0011f, -2.49f}, 4.7461f},
      {{50, 2.5f, 0}, {50, 0, -2.5f}, 4.3065f},
      {{50, 2.5f, 0}, {73, 25, -18}, 27.1492f},
      {{50, 2.5f, 0}, {56, -27, -3}, 31.9030f},
      {{60.2574f, -34.0099f, 36.2677f}, {60.4626f, -34.1751f, 39.4387f}, 1.2644f},
      {{61.2901f, 3.7196f, -5.3901f}, {61.4292f, 2.2480f, -4.9620f}, 1.8731f},
      {{90.8027f, -2.0831f, 1.4410f}, {91.1528f, -1.6435f, 0.0447f}, 1.4441f},
      {{2.0776f, 0.0795f, -1.1350f}, {0.9033f, -0.0636f, -0.5514f}, 0.9082f},
  };
  for (const Pair& pair : pairs) {
    EXPECT_NEAR(DeltaE2000(pair.left, pair.right), pair.delta_e, 2e-4);
    EXPECT_NEAR(DeltaE2000(pair.right, pair.left), pair.delta_e, 2e-4);
  }
}

TEST(CielabTest, TemperatureOfKnownIlluminants) {
  // Chromaticities of CIE standard illuminants as linear sRGB at luminance 0.3.
  struct Illuminant {
    LinearRgb linear;
    float kelvin;
  };
  const Illuminant illuminants[] = {
      {{0.553505, 0.247825, 0.069990}, 2856},  // A
      {{0.352792, 0.292714, 0.216628}, 5003},  // D50
      {{0.299951, 0.300010, 0.300046}, 6504},  // D65
      {{0.278701, 0.301929, 0.343646}, 7504},  // D75
  };
  for (const Illuminant& illuminant : illuminants) {
    const std::optional<float> kelvin = TemperatureKelvin(illuminant.linear);
    ASSERT_TRUE(kelvin.has_value()) << illuminant.kelvin;
    EXPECT_NEAR(*kelvin, illuminant.kelvin, 12);
  }
}

TEST(CielabTest, NoTemperatureWhereItMeansNothing) {
  EXPECT_FALSE(TemperatureKelvin({0, 0, 0}));
  EXPECT_FALSE(TemperatureKelvin({0.0015, 0.0015, 0.0015}));
  EXPECT_TRUE(TemperatureKelvin({0.003, 0.003, 0.003}));
  EXPECT_FALSE(TemperatureKelvin({0, 1, 0}));
  EXPECT_FALSE(TemperatureKelvin({1, 0, 1}));
  EXPECT_FALSE(TemperatureKelvin({0, 0, 1}));
}

TEST(CssColorsTest, EveryNamedColorIsNearestToItself) {
  std::set<std::string_view> names;
  for (const CssColor& color : CssColors()) {
    EXPECT_EQ(NearestCssColor(LabFromRgb(color.rgb)).name, color.name);
    names.insert(color.name);
  }
  // 148 names less seven spelled `grey` and two second names.
  EXPECT_EQ(names.size(), 139u);
  EXPECT_EQ(names.count("rebeccapurple"), 1u);
}

TEST(CssColorsTest, NamesColorsInBetween) {
  EXPECT_EQ(NearestCssColor(LabFromRgb({31, 143, 250})).name, "dodgerblue");
  EXPECT_EQ(NearestCssColor(LabFromRgb({3, 2, 2})).name, "black");
  EXPECT_EQ(NearestCssColor(LabFromRgb({130, 127, 128})).name, "gray");
}

}  // namespace
}  // namespace reelsight::color_analysis
