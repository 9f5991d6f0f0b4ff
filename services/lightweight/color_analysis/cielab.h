// SPDX-License-Identifier: Apache-2.0
//
// Colour arithmetic: sRGB (IEC 61966-2-1), CIE XYZ and CIELAB with the white point D65 of the 2 degree observer, and
// CIEDE2000. Plain functions of values; nothing here knows of pictures.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace reelsight::color_analysis {

// 8-bit sRGB.
struct Rgb {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  auto operator<=>(const Rgb&) const = default;
};

// Linear light, 0..1 for colours inside sRGB.
struct LinearRgb {
  double red = 0;
  double green = 0;
  double blue = 0;
};

// CIELAB: lightness 0..100; a (green to red) and b (blue to yellow) within +-128 for sRGB colours.
struct Lab {
  float lightness = 0;
  float a = 0;
  float b = 0;
};

// The linear light of an sRGB channel value.
double LinearFromSrgb(uint8_t value);

Lab LabFromRgb(Rgb rgb);
// The nearest 8-bit sRGB colour; a colour outside sRGB is clipped in each channel.
Rgb RgbFromLab(const Lab& lab);

// Converts rows of pixels with tables: within 0.01 of LabFromRgb in each component, and much faster. `rgb` holds
// `count` pixels of three bytes, `lab` as many results.
void LabFromRgbRow(const uint8_t* rgb, int count, Lab* lab);

// Colour difference CIEDE2000 with unit weights (Sharma, Wu, Dalal 2005).
float DeltaE2000(const Lab& left, const Lab& right);
// Euclidean distance in CIELAB, squared (CIE76 squared).
inline float SquaredDistance(const Lab& left, const Lab& right) {
  const float l = left.lightness - right.lightness, a = left.a - right.a, b = left.b - right.b;
  return l * l + a * a + b * b;
}

// A whole number that compares like SquaredDistance, which is never negative: vector units choose by whole numbers.
inline int32_t DistanceKey(const Lab& left, const Lab& right) {
  return std::bit_cast<int32_t>(SquaredDistance(left, right));
}
inline constexpr int32_t kFarthestKey = std::numeric_limits<int32_t>::max();

// `#rrggbb`, lower case.
std::string ToHex(Rgb rgb);

// Correlated colour temperature in kelvin by McCamy's formula (1992). nullopt where it means nothing: luminance under
// 0.002 of white, farther than 0.05 (CIE 1960 u, v) from the Planckian locus at that temperature, or outside
// [1000, 25000] K.
std::optional<float> TemperatureKelvin(const LinearRgb& mean);

}  // namespace reelsight::color_analysis
