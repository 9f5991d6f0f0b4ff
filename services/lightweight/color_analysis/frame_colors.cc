// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/frame_colors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "shared/base/status.h"

namespace reelsight::color_analysis {
namespace {

using ::google::protobuf::io::CodedInputStream;
using ::google::protobuf::io::CodedOutputStream;

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

constexpr uint8_t kPayloadVersion = 1;
// Steps of a stored mean in each unit of CIELAB.
constexpr float kMeanSteps = 256;

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

void WriteDouble(CodedOutputStream& out, double value) { out.WriteLittleEndian64(std::bit_cast<uint64_t>(value)); }
bool ReadDouble(CodedInputStream& in, double& value) {
  uint64_t bits = 0;
  if (!in.ReadLittleEndian64(&bits)) return false;
  value = std::bit_cast<double>(bits);
  return std::isfinite(value);
}
void WriteStep(CodedOutputStream& out, float value) {
  const long step = std::clamp(std::lround(value * kMeanSteps), -32768L, 32767L);
  const auto bits = static_cast<uint16_t>(static_cast<int16_t>(step));
  const uint8_t bytes[2] = {static_cast<uint8_t>(bits & 0xff), static_cast<uint8_t>(bits >> 8)};
  out.WriteRaw(bytes, 2);
}
bool ReadStep(CodedInputStream& in, float& value) {
  uint8_t bytes[2];
  if (!in.ReadRaw(bytes, 2)) return false;
  value = static_cast<float>(static_cast<int16_t>(static_cast<uint16_t>(bytes[0] | bytes[1] << 8))) / kMeanSteps;
  return true;
}

bool ReadSums(CodedInputStream& in, ColorSums& sums) {
  uint64_t pixels = 0, black = 0, white = 0;
  if (!in.ReadVarint64(&pixels) || !in.ReadVarint64(&black) || !in.ReadVarint64(&white)) return false;
  sums.pixels = static_cast<int64_t>(pixels);
  sums.black_pixels = static_cast<int64_t>(black);
  sums.white_pixels = static_cast<int64_t>(white);
  return sums.pixels > 0 && black <= pixels && white <= pixels && ReadDouble(in, sums.lightness) &&
         ReadDouble(in, sums.squared_lightness) && ReadDouble(in, sums.saturation) && ReadDouble(in, sums.linear.red) &&
         ReadDouble(in, sums.linear.green) && ReadDouble(in, sums.linear.blue);
}

bool ReadCells(CodedInputStream& in, FrameColors& colors) {
  uint32_t count = 0;
  if (!in.ReadVarint32(&count) || count == 0 || count > kMaxCells) return false;
  int64_t pixels = 0;
  for (uint32_t i = 0; i < count; ++i) {
    ColorCell cell;
    uint64_t cell_count = 0;
    if (!in.ReadVarint64(&cell_count) || !ReadStep(in, cell.mean.lightness) || !ReadStep(in, cell.mean.a) ||
        !ReadStep(in, cell.mean.b)) {
      return false;
    }
    if (cell_count == 0 || cell_count > static_cast<uint64_t>(colors.sums.pixels - pixels)) return false;
    cell.count = static_cast<int64_t>(cell_count);
    pixels += cell.count;
    colors.cells.push_back(cell);
  }
  return pixels == colors.sums.pixels;
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
  std::string payload;
  {
    google::protobuf::io::StringOutputStream stream(&payload);
    CodedOutputStream out(&stream);
    out.WriteRaw(&kPayloadVersion, 1);
    out.WriteVarint64(colors.sums.pixels);
    out.WriteVarint64(colors.sums.black_pixels);
    out.WriteVarint64(colors.sums.white_pixels);
    WriteDouble(out, colors.sums.lightness);
    WriteDouble(out, colors.sums.squared_lightness);
    WriteDouble(out, colors.sums.saturation);
    WriteDouble(out, colors.sums.linear.red);
    WriteDouble(out, colors.sums.linear.green);
    WriteDouble(out, colors.sums.linear.blue);
    out.WriteVarint32(static_cast<uint32_t>(colors.cells.size()));
    for (const ColorCell& cell : colors.cells) {
      out.WriteVarint64(cell.count);
      WriteStep(out, cell.mean.lightness);
      WriteStep(out, cell.mean.a);
      WriteStep(out, cell.mean.b);
    }
  }
  return payload;
}

absl::StatusOr<FrameColors> DecodeFrameColors(std::string_view payload) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(payload.data()), static_cast<int>(payload.size()));
  uint8_t version = 0;
  FrameColors colors;
  if (!in.ReadRaw(&version, 1) || version != kPayloadVersion || !ReadSums(in, colors.sums) || !ReadCells(in, colors) ||
      in.CurrentPosition() != static_cast<int>(payload.size())) {
    return InvalidArgument(Reason::kBadFrame,
                           "color_analysis: a frame result is not of this version; run all replicas at one version");
  }
  return colors;
}

}  // namespace reelsight::color_analysis
