// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/cielab.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "absl/strings/str_format.h"

namespace reelsight::color_analysis {
namespace {

// sRGB primaries to XYZ, IEC 61966-2-1, and its inverse. The same numbers as in scikit-image.
constexpr double kXyzFromRgb[3][3] = {
    {0.412453, 0.357580, 0.180423}, {0.212671, 0.715160, 0.072169}, {0.019334, 0.119193, 0.950227}};
constexpr double kRgbFromXyz[3][3] = {{3.240481343200527, -1.537151516271317, -0.498536326168888},
                                      {-0.969254949996568, 1.875990001489891, 0.041555926558293},
                                      {0.055646639135177, -0.204041338366511, 1.057311069645344}};
// D65, 2 degree observer.
constexpr double kWhite[3] = {0.95047, 1.0, 1.08883};
constexpr double kEpsilon = 0.008856;
constexpr double kSlope = 7.787;
constexpr double kOffset = 16.0 / 116.0;

double SrgbDecode(double value) { return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4); }
double SrgbEncode(double value) {
  return value <= 0.0031308 ? value * 12.92 : 1.055 * std::pow(value, 1 / 2.4) - 0.055;
}
double LabCurve(double value) { return value > kEpsilon ? std::cbrt(value) : kSlope * value + kOffset; }
double LabCurveInverse(double value) {
  const double cubed = value * value * value;
  return cubed > kEpsilon ? cubed : (value - kOffset) / kSlope;
}

// Tables behind LabFromRgbRow.
class Tables {
 public:
  static const Tables& Get() {
    static const Tables tables;
    return tables;
  }

  float linear(uint8_t value) const { return linear_[value]; }
  // LabCurve for 0..1, linear between the knots. The knots are dense enough that the error in L stays under 0.005.
  float Curve(float value) const {
    const float scaled = std::clamp(value, 0.0f, 1.0f) * kKnots;
    const int knot = std::min(static_cast<int>(scaled), kKnots - 1);
    return curve_[knot] + (curve_[knot + 1] - curve_[knot]) * (scaled - static_cast<float>(knot));
  }

 private:
  static constexpr int kKnots = 4096;

  Tables() {
    for (int i = 0; i < 256; ++i) linear_[i] = static_cast<float>(SrgbDecode(i / 255.0));
    for (int i = 0; i <= kKnots; ++i) curve_[i] = static_cast<float>(LabCurve(static_cast<double>(i) / kKnots));
  }

  std::array<float, 256> linear_;
  std::array<float, kKnots + 1> curve_;
};

constexpr float Element(int row, int column) { return static_cast<float>(kXyzFromRgb[row][column] / kWhite[row]); }

double Degrees(double radians) { return radians * 180 / std::numbers::pi; }
double Radians(double degrees) { return degrees * std::numbers::pi / 180; }

// Hue angle in [0, 360).
double HueDegrees(double a, double b) {
  if (a == 0 && b == 0) return 0;
  const double hue = Degrees(std::atan2(b, a));
  return hue < 0 ? hue + 360 : hue;
}

}  // namespace

double LinearFromSrgb(uint8_t value) { return SrgbDecode(value / 255.0); }

Lab LabFromRgb(Rgb rgb) {
  const double linear[3] = {LinearFromSrgb(rgb.red), LinearFromSrgb(rgb.green), LinearFromSrgb(rgb.blue)};
  double curve[3];
  for (int row = 0; row < 3; ++row) {
    double xyz = 0;
    for (int column = 0; column < 3; ++column) xyz += kXyzFromRgb[row][column] * linear[column];
    curve[row] = LabCurve(xyz / kWhite[row]);
  }
  return {static_cast<float>(116 * curve[1] - 16), static_cast<float>(500 * (curve[0] - curve[1])),
          static_cast<float>(200 * (curve[1] - curve[2]))};
}

Rgb RgbFromLab(const Lab& lab) {
  const double y = (lab.lightness + 16.0) / 116.0;
  const double curve[3] = {y + lab.a / 500.0, y, y - lab.b / 200.0};
  uint8_t out[3];
  for (int row = 0; row < 3; ++row) {
    double linear = 0;
    for (int column = 0; column < 3; ++column) {
      linear += kRgbFromXyz[row][column] * LabCurveInverse(curve[column]) * kWhite[column];
    }
    out[row] = static_cast<uint8_t>(std::lround(255 * std::clamp(SrgbEncode(linear), 0.0, 1.0)));
  }
  return {out[0], out[1], out[2]};
}

void LabFromRgbRow(const uint8_t* rgb, int count, Lab* lab) {
  const Tables& tables = Tables::Get();
  for (int i = 0; i < count; ++i, rgb += 3) {
    const float red = tables.linear(rgb[0]), green = tables.linear(rgb[1]), blue = tables.linear(rgb[2]);
    const float x = tables.Curve(Element(0, 0) * red + Element(0, 1) * green + Element(0, 2) * blue);
    const float y = tables.Curve(Element(1, 0) * red + Element(1, 1) * green + Element(1, 2) * blue);
    const float z = tables.Curve(Element(2, 0) * red + Element(2, 1) * green + Element(2, 2) * blue);
    lab[i] = {116 * y - 16, 500 * (x - y), 200 * (y - z)};
  }
}

float DeltaE2000(const Lab& left, const Lab& right) {
  const auto chroma_of = [](const Lab& lab) { return std::hypot(double{lab.a}, double{lab.b}); };
  const auto seventh = [](double value) {
    const double power = std::pow(value, 7);
    return std::sqrt(power / (power + std::pow(25.0, 7)));
  };
  const double g = 0.5 * (1 - seventh((chroma_of(left) + chroma_of(right)) / 2));
  const double a1 = (1 + g) * left.a, a2 = (1 + g) * right.a;
  const double c1 = std::hypot(a1, double{left.b}), c2 = std::hypot(a2, double{right.b});
  const double h1 = HueDegrees(a1, left.b), h2 = HueDegrees(a2, right.b);

  const double delta_l = double{right.lightness} - left.lightness;
  const double delta_c = c2 - c1;
  double turn = 0, mean_hue = h1 + h2;
  if (c1 * c2 != 0) {
    turn = h2 - h1;
    if (turn > 180) turn -= 360;
    if (turn < -180) turn += 360;
    if (std::abs(h1 - h2) > 180) mean_hue += mean_hue < 360 ? 360 : -360;
    mean_hue /= 2;
  }
  const double delta_h = 2 * std::sqrt(c1 * c2) * std::sin(Radians(turn / 2));

  const double mean_l = (double{left.lightness} + right.lightness) / 2, mean_c = (c1 + c2) / 2;
  const double t = 1 - 0.17 * std::cos(Radians(mean_hue - 30)) + 0.24 * std::cos(Radians(2 * mean_hue)) +
                   0.32 * std::cos(Radians(3 * mean_hue + 6)) - 0.20 * std::cos(Radians(4 * mean_hue - 63));
  const double l50 = (mean_l - 50) * (mean_l - 50);
  const double s_l = 1 + 0.015 * l50 / std::sqrt(20 + l50), s_c = 1 + 0.045 * mean_c, s_h = 1 + 0.015 * mean_c * t;
  const double around = (mean_hue - 275) / 25;
  const double r_t = -2 * seventh(mean_c) * std::sin(Radians(60 * std::exp(-around * around)));
  const double l = delta_l / s_l, c = delta_c / s_c, h = delta_h / s_h;
  return static_cast<float>(std::sqrt(std::max(0.0, l * l + c * c + h * h + r_t * c * h)));
}

std::string ToHex(Rgb rgb) { return absl::StrFormat("#%02x%02x%02x", rgb.red, rgb.green, rgb.blue); }

std::optional<float> TemperatureKelvin(const LinearRgb& mean) {
  constexpr double kDarkest = 0.002, kFarthest = 0.05, kLowest = 1000, kHighest = 25000;
  const double linear[3] = {mean.red, mean.green, mean.blue};
  double xyz[3] = {};
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) xyz[row] += kXyzFromRgb[row][column] * linear[column];
  }
  if (xyz[1] < kDarkest) return std::nullopt;
  const double sum = xyz[0] + xyz[1] + xyz[2];
  const double x = xyz[0] / sum, y = xyz[1] / sum;
  // McCamy (1992), "Correlated color temperature as an explicit function of chromaticity coordinates".
  const double n = (x - 0.3320) / (0.1858 - y);
  const double kelvin = ((449 * n + 3525) * n + 6823.3) * n + 5520.33;
  if (!(kelvin >= kLowest && kelvin <= kHighest)) return std::nullopt;
  // The Planckian locus in CIE 1960 u, v by Krystek (1985).
  const double square = kelvin * kelvin;
  const double u0 = (0.860117757 + 1.54118254e-4 * kelvin + 1.28641212e-7 * square) /
                    (1 + 8.42420235e-4 * kelvin + 7.08145163e-7 * square);
  const double v0 = (0.317398726 + 4.22806245e-5 * kelvin + 4.20481691e-8 * square) /
                    (1 - 2.89741816e-5 * kelvin + 1.61456053e-7 * square);
  const double scale = -2 * x + 12 * y + 3;
  if (std::hypot(4 * x / scale - u0, 6 * y / scale - v0) > kFarthest) return std::nullopt;
  return static_cast<float>(kelvin);
}

}  // namespace reelsight::color_analysis
