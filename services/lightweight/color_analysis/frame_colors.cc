// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/frame_colors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "reelsight/payload/v1/color_analysis.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::color_analysis {
namespace {

using payload::v1::ColorAnalysisPayload;

// Finer in lightness: grey pictures differ in nothing else.
constexpr float kLightnessSize = 1.25F;
constexpr float kChromaSize = 5;
// sRGB colours lie within -128..128 in a and b.
constexpr float kLowest = -130;
constexpr int kLightnessCells = 81;
constexpr int kChromaCells = 52;

constexpr float kBlackLightness = 6;
constexpr float kWhiteLightness = 96;
constexpr float kWhiteChroma = 6;

constexpr char kName[] = "color_analysis";
// Steps of a stored mean in each unit of CIELAB, and bytes of the three.
constexpr float kMeanSteps = 256;
constexpr size_t kMeanBytes = 6;

int GridIndex(float value, float size, int cells) { return std::clamp(static_cast<int>(value / size), 0, cells - 1); }

// The means of the first kMaxCells cells by component, as vector units take them.
struct KeptMeans {
  explicit KeptMeans(const std::vector<ColorCell>& cells) {
    for (int i = 0; i < kMaxCells; ++i) {
      lightness[i] = cells[i].mean.lightness;
      a[i] = cells[i].mean.a;
      b[i] = cells[i].mean.b;
    }
  }

  // Of equals the first.
  size_t Nearest(const Lab& color) const {
    std::array<int32_t, kMaxCells> keys;
    for (int i = 0; i < kMaxCells; ++i) keys[i] = DistanceKey({lightness[i], a[i], b[i]}, color);
    int32_t least = kFarthestKey;
    for (const int32_t key : keys) least = std::min(least, key);
    return std::find(keys.begin(), keys.end(), least) - keys.begin();
  }

  std::array<float, kMaxCells> lightness;
  std::array<float, kMaxCells> a;
  std::array<float, kMaxCells> b;
};

// Gives the cells beyond kMaxCells to their nearest ones among the kept.
void FoldTail(std::vector<ColorCell>& cells) {
  if (cells.size() <= kMaxCells) return;
  // Those before folding, so that the order of the tail does not matter for the choice.
  const KeptMeans means(cells);
  std::vector<ColorCell> kept(cells.begin(), cells.begin() + kMaxCells);
  for (size_t i = kMaxCells; i < cells.size(); ++i) {
    ColorCell& target = kept[means.Nearest(cells[i].mean)];
    const float share = static_cast<float>(cells[i].count) / static_cast<float>(target.count + cells[i].count);
    target.mean.lightness += share * (cells[i].mean.lightness - target.mean.lightness);
    target.mean.a += share * (cells[i].mean.a - target.mean.a);
    target.mean.b += share * (cells[i].mean.b - target.mean.b);
    target.count += cells[i].count;
  }
  cells = std::move(kept);
}

void AddStep(float value, std::string* steps) {
  const long step = std::clamp(std::lround(value * kMeanSteps), -32768L, 32767L);
  const auto bits = static_cast<uint16_t>(static_cast<int16_t>(step));
  steps->push_back(static_cast<char>(bits & 0xff));
  steps->push_back(static_cast<char>(bits >> 8));
}

float StepAt(const std::string& steps, size_t place) {
  const int low = static_cast<uint8_t>(steps[place]), high = static_cast<uint8_t>(steps[place + 1]);
  return static_cast<float>(static_cast<int16_t>(static_cast<uint16_t>(low | high << 8))) / kMeanSteps;
}

// The cells of `payload`; none if they are not those of a picture.
std::vector<ColorCell> ReadCells(const ColorAnalysisPayload& payload) {
  const auto count = static_cast<size_t>(payload.cell_pixels_size());
  if (count > kMaxCells || payload.cell_means().size() != count * kMeanBytes) return {};
  std::vector<ColorCell> cells;
  int64_t pixels = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t place = i * kMeanBytes;
    ColorCell& cell = cells.emplace_back();
    cell.count = payload.cell_pixels(static_cast<int>(i));
    cell.mean = {StepAt(payload.cell_means(), place), StepAt(payload.cell_means(), place + 2),
                 StepAt(payload.cell_means(), place + 4)};
    pixels += cell.count;
    if (cell.count == 0) return {};
  }
  if (pixels != payload.pixels()) return {};
  return cells;
}

}  // namespace

void ColorSums::Add(const ColorSums& other) {
  pixels += other.pixels;
  lightness += other.lightness;
  squared_lightness += other.squared_lightness;
  saturation += other.saturation;
  linear.red += other.linear.red;
  linear.green += other.linear.green;
  linear.blue += other.linear.blue;
  black_pixels += other.black_pixels;
  white_pixels += other.white_pixels;
}

ColorHistogram::ColorHistogram() : places_(kLightnessCells * kChromaCells * kChromaCells, -1) {}

void ColorHistogram::Add(const Lab& lab, int64_t count) {
  const int key = (GridIndex(lab.lightness, kLightnessSize, kLightnessCells) * kChromaCells +
                   GridIndex(lab.a - kLowest, kChromaSize, kChromaCells)) *
                      kChromaCells +
                  GridIndex(lab.b - kLowest, kChromaSize, kChromaCells);
  int32_t& place = places_[key];
  if (place < 0) {
    place = static_cast<int32_t>(sums_.size());
    sums_.push_back({.key = key});
  }
  Sum& sum = sums_[place];
  const auto weight = static_cast<double>(count);
  sum.count += count;
  sum.lightness += weight * lab.lightness;
  sum.a += weight * lab.a;
  sum.b += weight * lab.b;
}

std::vector<ColorCell> ColorHistogram::Take() {
  std::sort(sums_.begin(), sums_.end(), [](const Sum& left, const Sum& right) {
    return left.count != right.count ? left.count > right.count : left.key < right.key;
  });
  std::vector<ColorCell> cells;
  cells.reserve(sums_.size());
  for (const Sum& sum : sums_) {
    places_[sum.key] = -1;
    const auto count = static_cast<double>(sum.count);
    cells.push_back({.mean = {static_cast<float>(sum.lightness / count), static_cast<float>(sum.a / count),
                              static_cast<float>(sum.b / count)},
                     .count = sum.count});
  }
  sums_.clear();
  return cells;
}

absl::StatusOr<FrameColors> MeasureColors(const analysis::Image& image, ColorHistogram& histogram) {
  if (image.format() != analysis::PixelFormat::kRgb24) {
    return InvalidArgument(Reason::kBadFrame, "color_analysis needs RGB24 pictures; send what Describe asks for");
  }
  FrameColors colors;
  ColorSums& sums = colors.sums;
  const int width = image.width_px(), height = image.height_px();
  sums.pixels = int64_t{width} * height;
  std::vector<Lab> row(width);
  int64_t counts[3][256] = {};
  for (int y = 0; y < height; ++y) {
    const uint8_t* pixels = image.plane(0) + static_cast<size_t>(y) * image.stride_bytes(0);
    LabFromRgbRow(pixels, width, row.data());
    double lightness = 0, squared_lightness = 0, saturation = 0;
    for (int x = 0; x < width; ++x) {
      const Lab& lab = row[x];
      const float share = lab.lightness / 100;
      lightness += share;
      squared_lightness += share * share;
      const int red = pixels[3 * x], green = pixels[3 * x + 1], blue = pixels[3 * x + 2];
      const int highest = std::max({red, green, blue}), lowest = std::min({red, green, blue});
      if (highest > 0) saturation += static_cast<float>(highest - lowest) / static_cast<float>(highest);
      ++counts[0][red];
      ++counts[1][green];
      ++counts[2][blue];
      if (lab.lightness < kBlackLightness) ++sums.black_pixels;
      if (lab.lightness > kWhiteLightness && lab.a * lab.a + lab.b * lab.b < kWhiteChroma * kWhiteChroma) {
        ++sums.white_pixels;
      }
      histogram.Add(lab, 1);
    }
    sums.lightness += lightness;
    sums.squared_lightness += squared_lightness;
    sums.saturation += saturation;
  }
  for (int value = 0; value < 256; ++value) {
    const double linear = LinearFromSrgb(static_cast<uint8_t>(value));
    sums.linear.red += linear * static_cast<double>(counts[0][value]);
    sums.linear.green += linear * static_cast<double>(counts[1][value]);
    sums.linear.blue += linear * static_cast<double>(counts[2][value]);
  }
  colors.cells = histogram.Take();
  FoldTail(colors.cells);
  return colors;
}

std::string EncodeFrameColors(const FrameColors& colors) {
  const ColorSums& sums = colors.sums;
  ColorAnalysisPayload payload;
  payload.set_pixels(sums.pixels);
  payload.set_black_pixels(sums.black_pixels);
  payload.set_white_pixels(sums.white_pixels);
  payload.set_lightness(sums.lightness);
  payload.set_squared_lightness(sums.squared_lightness);
  payload.set_saturation(sums.saturation);
  payload.set_linear_red(sums.linear.red);
  payload.set_linear_green(sums.linear.green);
  payload.set_linear_blue(sums.linear.blue);
  std::string& means = *payload.mutable_cell_means();
  means.reserve(colors.cells.size() * kMeanBytes);
  payload.mutable_cell_pixels()->Reserve(static_cast<int>(colors.cells.size()));
  for (const ColorCell& cell : colors.cells) {
    payload.add_cell_pixels(static_cast<uint32_t>(cell.count));
    for (const float value : {cell.mean.lightness, cell.mean.a, cell.mean.b}) AddStep(value, &means);
  }
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<FrameColors> DecodeFrameColors(std::string_view payload) {
  ColorAnalysisPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  FrameColors colors;
  ColorSums& sums = colors.sums;
  sums.pixels = read.pixels();
  sums.black_pixels = read.black_pixels();
  sums.white_pixels = read.white_pixels();
  sums.lightness = read.lightness();
  sums.squared_lightness = read.squared_lightness();
  sums.saturation = read.saturation();
  sums.linear = {read.linear_red(), read.linear_green(), read.linear_blue()};
  colors.cells = ReadCells(read);
  const auto is_share = [&](int64_t pixels) { return pixels >= 0 && pixels <= sums.pixels; };
  if (colors.cells.empty() || !is_share(sums.black_pixels) || !is_share(sums.white_pixels)) {
    return frame_payload::BadPayload(kName, "has not as many pixels as its colours");
  }
  return colors;
}

}  // namespace reelsight::color_analysis
