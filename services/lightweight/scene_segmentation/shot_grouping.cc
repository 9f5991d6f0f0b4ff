// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/scene_segmentation/shot_grouping.h"

#include <algorithm>
#include <cmath>

#include "reelsight/payload/v1/scene_segmentation.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::scene_segmentation {
namespace {

constexpr char kName[] = "scene_segmentation";
// Values above each limit fall into the next chroma bin; finer near grey, where most pixels are.
constexpr int kChromaLimits[Appearance::kChromaBins - 1] = {108, 122, 134, 148};
// Levels that make two parts of the layout wholly unlike.
constexpr float kLayoutScale = 64;
// Similarity that joins two shots at strictness 0, 0.5 and 1.
constexpr float kLoosest = 0.2F, kTuned = 0.62F, kStrictest = 1.0F;

int ChromaBin(uint8_t value) {
  int bin = 0;
  for (const int limit : kChromaLimits) bin += value >= limit ? 1 : 0;
  return bin;
}

std::array<uint8_t, 256> MakeChromaBins() {
  std::array<uint8_t, 256> bins{};
  for (int value = 0; value < 256; ++value) bins[value] = static_cast<uint8_t>(ChromaBin(static_cast<uint8_t>(value)));
  return bins;
}

float Threshold(float strictness) {
  return strictness < 0.5F ? kLoosest + (kTuned - kLoosest) * 2 * strictness
                           : kTuned + (kStrictest - kTuned) * (2 * strictness - 1);
}

uint8_t ToByte(float value) { return static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L)); }

bool Alike(const GroupedShot& a, const GroupedShot& b, float threshold) {
  for (const Appearance& left : a.frames) {
    for (const Appearance& right : b.frames) {
      if (Similarity(left, right) >= threshold) return true;
    }
  }
  return false;
}

}  // namespace

Appearance DescribeAppearance(const analysis::Image& image) {
  static const std::array<uint8_t, 256> kBins = MakeChromaBins();
  constexpr int kSide = Appearance::kLayoutSide;
  Appearance appearance;
  std::array<float, kSide * kSide> counts{};
  const int width = image.width_px(), height = image.height_px(), stride = image.stride_bytes(1);
  std::vector<int> parts(width);
  for (int x = 0; x < width; ++x) parts[x] = x * kSide / width;
  for (int y = 0; y < height; ++y) {
    const int first_part = y * kSide / height * kSide;
    const uint8_t* const luma = image.plane(0) + static_cast<int64_t>(y) * width;
    const uint8_t* const u = image.plane(1) + static_cast<int64_t>(y / 2) * stride;
    const uint8_t* const v = image.plane(2) + static_cast<int64_t>(y / 2) * stride;
    for (int x = 0; x < width; ++x) {
      const int part = first_part + parts[x];
      counts[part] += 1;
      appearance.layout[part] += luma[x];
      appearance.layout[kSide * kSide + part] += u[x / 2];
      appearance.layout[2 * kSide * kSide + part] += v[x / 2];
      // A pixel between the centres of two luma bins counts in both, so that a small change of light costs little.
      const float place = std::clamp((static_cast<float>(luma[x]) - 16) / 27.5F - 0.5F, 0.0F, 7.0F);
      const int low = std::min(static_cast<int>(place), Appearance::kLumaBins - 2);
      const float share = place - static_cast<float>(low);
      const int chroma = kBins[u[x / 2]] * Appearance::kChromaBins + kBins[v[x / 2]];
      constexpr int kStep = Appearance::kChromaBins * Appearance::kChromaBins;
      appearance.histogram[low * kStep + chroma] += 1 - share;
      appearance.histogram[(low + 1) * kStep + chroma] += share;
    }
  }
  const float pixels = static_cast<float>(width) * static_cast<float>(height);
  for (float& bin : appearance.histogram) bin /= pixels;
  for (int i = 0; i < Appearance::kLayoutValues; ++i) {
    appearance.layout[i] /= std::max(1.0F, counts[i % (kSide * kSide)]);
  }
  return appearance;
}

std::string EncodeAppearance(const Appearance& appearance) {
  payload::v1::SceneSegmentationPayload payload;
  for (const float bin : appearance.histogram) {
    payload.mutable_histogram()->push_back(static_cast<char>(ToByte(255 * std::sqrt(bin))));
  }
  for (const float value : appearance.layout) payload.mutable_layout()->push_back(static_cast<char>(ToByte(value)));
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<Appearance> DecodeAppearance(std::string_view payload) {
  payload::v1::SceneSegmentationPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  if (read.histogram().size() != Appearance::kHistogramBins || read.layout().size() != Appearance::kLayoutValues) {
    return frame_payload::BadPayload(kName, "has another number of colours");
  }
  Appearance appearance;
  float sum = 0;
  for (size_t i = 0; i < Appearance::kHistogramBins; ++i) {
    const float root = static_cast<float>(static_cast<uint8_t>(read.histogram()[i])) / 255;
    appearance.histogram[i] = root * root;
    sum += appearance.histogram[i];
  }
  for (float& bin : appearance.histogram) bin /= std::max(sum, 1e-6F);
  for (size_t i = 0; i < Appearance::kLayoutValues; ++i) {
    appearance.layout[i] = static_cast<float>(static_cast<uint8_t>(read.layout()[i]));
  }
  return appearance;
}

float Similarity(const Appearance& a, const Appearance& b) {
  float colours = 0, difference = 0;
  for (int i = 0; i < Appearance::kHistogramBins; ++i) colours += std::min(a.histogram[i], b.histogram[i]);
  for (int i = 0; i < Appearance::kLayoutValues; ++i) {
    // Chroma spans about a half of luma's range.
    const float weight = i < Appearance::kLayoutValues / 3 ? 1.0F : 2.0F;
    difference += std::min(1.0F, weight * std::abs(a.layout[i] - b.layout[i]) / kLayoutScale);
  }
  const float layout = 1 - difference / Appearance::kLayoutValues;
  return 0.65F * std::min(1.0F, colours) + 0.35F * layout;
}

std::vector<Scene> GroupShots(std::span<const GroupedShot> shots, const GroupingOptions& options,
                              const CancelToken& cancel) {
  const float threshold = Threshold(options.strictness);
  const int count = static_cast<int>(shots.size());
  // joined[i]: shot i is in the scene of shot i - 1.
  std::vector<bool> joined(shots.size(), false);
  for (int i = 0; i < count && !cancel.over(); ++i) {
    for (int j = count - 1; j > i; --j) {
      if (shots[j].segment != shots[i].segment || shots[j].start - shots[i].end > options.max_gap) continue;
      if (!Alike(shots[i], shots[j], threshold)) continue;
      std::fill(joined.begin() + i + 1, joined.begin() + j + 1, true);
      break;
    }
  }
  for (int i = 1; i < count; ++i) {
    if (shots[i].frames.empty() && shots[i].segment == shots[i - 1].segment) joined[i] = true;
  }
  // Shots with no frame at the start of a segment go with the first that has one.
  for (int i = 0; i < count; ++i) {
    if (i > 0 && shots[i].segment == shots[i - 1].segment) continue;
    for (int next = i + 1; next < count && shots[next].segment == shots[i].segment; ++next) {
      if (!shots[next - 1].frames.empty()) break;
      joined[next] = true;
    }
  }
  std::vector<Scene> scenes;
  for (int i = 0; i < count; ++i) {
    if (joined[i]) {
      scenes.back().last = i;
    } else {
      scenes.push_back({i, i});
    }
  }
  return scenes;
}

}  // namespace reelsight::scene_segmentation
