// SPDX-License-Identifier: Apache-2.0
//
// Groups the shots of a video into scenes by how alike they look. Plain values only: no options, messages or frames.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shared/analysis/image.h"
#include "shared/base/cancel_token.h"

namespace reelsight::scene_segmentation {

// How a frame looks: colours over the whole picture, and where they are.
struct Appearance {
  static constexpr int kLumaBins = 8;
  static constexpr int kChromaBins = 5;
  static constexpr int kHistogramBins = kLumaBins * kChromaBins * kChromaBins;
  static constexpr int kLayoutSide = 4;
  static constexpr int kLayoutValues = 3 * kLayoutSide * kLayoutSide;

  // Joint histogram of Y, U and V; sums to about 1.
  std::array<float, kHistogramBins> histogram{};
  // Mean Y, U and V of 4x4 parts, 0..255.
  std::array<float, kLayoutValues> layout{};
};

// `image` is I420.
Appearance DescribeAppearance(const analysis::Image& image);
// The payload of one frame, a payload.v1.SceneSegmentationPayload of about 0.25 KiB.
std::string EncodeAppearance(const Appearance& appearance);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<Appearance> DecodeAppearance(std::string_view payload);

// In [0, 1]; 1 for equal ones.
float Similarity(const Appearance& a, const Appearance& b);

// One shot with the frames sampled in it, perhaps none.
struct GroupedShot {
  absl::Duration start;
  absl::Duration end;
  // The analysed span that it is in; scenes never cross spans.
  int segment = 0;
  std::vector<Appearance> frames;
};

struct GroupingOptions {
  // In [0, 1]; higher makes more scenes.
  float strictness = 0.5F;
  // Longest time from the end of one shot to the start of an alike one that still joins them.
  absl::Duration max_gap = absl::Seconds(20);
};

// Shots [first, last], both inclusive.
struct Scene {
  int first = 0;
  int last = 0;
  bool operator==(const Scene&) const = default;
};

// Scenes in order; together they hold every shot once. Two alike shots are joined with everything between them, and
// joins that overlap make one scene, so that A-B-A-B is one. A shot with no frame stays with the shot before it, or the
// one after it at the start of a segment. Quadratic in the shots; once `cancel` is over it ends early, with scenes that
// are of no use.
std::vector<Scene> GroupShots(std::span<const GroupedShot> shots, const GroupingOptions& options,
                              const CancelToken& cancel = CancelToken());

}  // namespace reelsight::scene_segmentation
