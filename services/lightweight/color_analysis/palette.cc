// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/palette.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <random>

namespace reelsight::color_analysis {
namespace {

// Starts of k-means: many for a few cells, where they cost little, down to kLeastStarts for many.
constexpr int kMostStarts = 48;
constexpr int kLeastStarts = 6;
constexpr size_t kCellsAndStarts = 20'000;
constexpr int kMaxRounds = 60;
constexpr uint64_t kSeed = 20240607;

struct Clustering {
  std::vector<PaletteColor> clusters;
  // Weighted sum of squared distances.
  double inertia = std::numeric_limits<double>::max();
};

// Uniform in [0, 1); std::uniform_real_distribution may differ between libraries.
double NextUniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

// The cells by component, as vector units take them.
struct Columns {
  explicit Columns(std::span<const ColorCell> cells) {
    for (const ColorCell& cell : cells) {
      lightness.push_back(cell.mean.lightness);
      a.push_back(cell.mean.a);
      b.push_back(cell.mean.b);
      weight.push_back(static_cast<double>(cell.count));
    }
  }
  size_t size() const { return weight.size(); }
  Lab mean(size_t i) const { return {lightness[i], a[i], b[i]}; }

  std::vector<float> lightness;
  std::vector<float> a;
  std::vector<float> b;
  std::vector<double> weight;
};

// Makes `center` the owner, by the name `name`, of all cells that are nearer to it than to their owner.
void Claim(const Columns& cells, const Lab& center, int32_t name, std::vector<int32_t>& nearest,
           std::vector<int32_t>& owner) {
  const size_t count = cells.size();
  const float *const lightness = cells.lightness.data(), *const a = cells.a.data(), *const b = cells.b.data();
  int32_t* const keys = nearest.data();
  int32_t* const owners = owner.data();
  for (size_t i = 0; i < count; ++i) {
    const int32_t key = DistanceKey({lightness[i], a[i], b[i]}, center);
    owners[i] = key < keys[i] ? name : owners[i];
    keys[i] = std::min(key, keys[i]);
  }
}

// The distance that `key` stands for.
float Distance(int32_t key) { return std::bit_cast<float>(key); }

// k-means++ (Arthur, Vassilvitskii 2007). Fewer than `count` centers if there are fewer distinct cells.
std::vector<Lab> ChooseCenters(const Columns& cells, int count, std::mt19937_64& random) {
  std::vector<Lab> centers;
  std::vector<double> weights = cells.weight;
  std::vector<int32_t> nearest(cells.size(), kFarthestKey);
  std::vector<int32_t> owner(cells.size(), 0);
  while (static_cast<int>(centers.size()) < count) {
    double total = 0;
    for (const double weight : weights) total += weight;
    if (total <= 0) break;
    double left = NextUniform(random) * total;
    size_t chosen = cells.size();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (weights[i] <= 0) continue;
      chosen = i;
      left -= weights[i];
      if (left < 0) break;
    }
    centers.push_back(cells.mean(chosen));
    Claim(cells, centers.back(), 0, nearest, owner);
    for (size_t i = 0; i < cells.size(); ++i) weights[i] = cells.weight[i] * Distance(nearest[i]);
  }
  return centers;
}

Clustering Cluster(const Columns& cells, std::vector<Lab> centers) {
  struct Sum {
    double weight = 0, lightness = 0, a = 0, b = 0;
  };
  std::vector<int32_t> owner(cells.size(), 0), last_owner;
  std::vector<int32_t> nearest;
  Clustering result;
  std::vector<Sum> sums;
  for (int round = 0; round < kMaxRounds; ++round) {
    sums.assign(centers.size(), Sum());
    double inertia = 0;
    nearest.assign(cells.size(), kFarthestKey);
    for (size_t j = 0; j < centers.size(); ++j) Claim(cells, centers[j], static_cast<int32_t>(j), nearest, owner);
    for (size_t i = 0; i < cells.size(); ++i) {
      const double weight = cells.weight[i];
      Sum& sum = sums[owner[i]];
      sum.weight += weight;
      sum.lightness += weight * cells.lightness[i];
      sum.a += weight * cells.a[i];
      sum.b += weight * cells.b[i];
      inertia += weight * Distance(nearest[i]);
    }
    const bool changed = owner != last_owner;
    last_owner = owner;
    result.inertia = inertia;
    for (size_t j = 0; j < centers.size(); ++j) {
      if (sums[j].weight <= 0) continue;
      centers[j] = {static_cast<float>(sums[j].lightness / sums[j].weight),
                    static_cast<float>(sums[j].a / sums[j].weight), static_cast<float>(sums[j].b / sums[j].weight)};
    }
    if (!changed) break;
  }
  for (size_t j = 0; j < centers.size(); ++j) {
    if (sums[j].weight > 0) result.clusters.push_back({.mean = centers[j], .share = sums[j].weight});
  }
  return result;
}

// Joins the nearest two until all are at least `delta_e` apart.
void MergeNear(std::vector<PaletteColor>& colors, float delta_e) {
  while (colors.size() > 1) {
    size_t first = 0, second = 0;
    float nearest = delta_e;
    for (size_t i = 0; i < colors.size(); ++i) {
      for (size_t j = i + 1; j < colors.size(); ++j) {
        const float distance = DeltaE2000(colors[i].mean, colors[j].mean);
        if (distance < nearest) {
          nearest = distance;
          first = i;
          second = j;
        }
      }
    }
    if (first == second) return;
    PaletteColor& kept = colors[first];
    const PaletteColor& gone = colors[second];
    const auto part = static_cast<float>(gone.share / (kept.share + gone.share));
    kept.mean.lightness += part * (gone.mean.lightness - kept.mean.lightness);
    kept.mean.a += part * (gone.mean.a - kept.mean.a);
    kept.mean.b += part * (gone.mean.b - kept.mean.b);
    kept.share += gone.share;
    colors.erase(colors.begin() + static_cast<ptrdiff_t>(second));
  }
}

}  // namespace

std::vector<PaletteColor> FindPalette(std::span<const ColorCell> cells, const PaletteOptions& options) {
  if (cells.empty()) return {};
  double total = 0;
  for (const ColorCell& cell : cells) total += static_cast<double>(cell.count);
  std::mt19937_64 random(kSeed);
  Clustering best;
  const int starts = std::clamp(static_cast<int>(kCellsAndStarts / cells.size()), kLeastStarts, kMostStarts);
  const Columns columns(cells);
  for (int start = 0; start < starts; ++start) {
    Clustering clustering = Cluster(columns, ChooseCenters(columns, options.max_colors, random));
    if (clustering.inertia < best.inertia) best = std::move(clustering);
  }
  std::vector<PaletteColor> colors = std::move(best.clusters);
  MergeNear(colors, options.merge_delta_e);
  for (PaletteColor& color : colors) color.share /= total;
  std::stable_sort(colors.begin(), colors.end(),
                   [](const PaletteColor& left, const PaletteColor& right) { return left.share > right.share; });
  while (colors.size() > 1 && colors.back().share < options.min_share) colors.pop_back();
  return colors;
}

}  // namespace reelsight::color_analysis
