// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/hard_cut_detector.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "services/lightweight/cut_analysis/frame_matcher.h"

namespace reelsight::cut_analysis {
namespace {

// Pairs below both are no candidates.
constexpr float kMinPlain = 2.5F;
constexpr float kMinHistogram = 0.03F;
// A flash is over within this time; an insert that is shorter and returns to the same picture is taken for one.
constexpr absl::Duration kFlash = absl::Milliseconds(210);
// Pictures that correlate by more than 1 - kAlike look like one shot, whatever the light does.
constexpr float kAlike = 0.3F;
// Frames before and after the cut, counted from its two sides, that must be unlike as well.
constexpr std::pair<int, int> kAcross[] = {{0, 1}, {0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}, {1, 1}, {2, 2}};

float Squash(float value, float half) { return value / (value + half); }

// Compares frames once.
class MatchCache {
 public:
  explicit MatchCache(std::span<const SeriesFrame> series) : series_(series) {}
  const Match& Get(int a, int b) {
    const auto [it, added] = matches_.try_emplace({a, b});
    if (added) it->second = CompareFrames(series_[a].features, series_[b].features);
    return it->second;
  }

 private:
  std::span<const SeriesFrame> series_;
  std::map<std::pair<int, int>, Match> matches_;
};

// Logistic regression on the tuning clips of tests/bench/cuts, each weight kept to the sign that its evidence has.
float Score(const CutEvidence& evidence) {
  static constexpr std::array<float, CutEvidence::kCount> kWeights = {1.39F, 10.59F, 0.0F,  0.26F, 3.24F, 1.88F,
                                                                      4.48F, 1.28F,  3.12F, 2.9F,  -4.9F};
  float sum = -20.7F;
  for (int i = 0; i < CutEvidence::kCount; ++i) sum += kWeights[i] * evidence.values[i];
  return 1 / (1 + std::exp(-sum));
}

}  // namespace

std::vector<CutCandidate> FindCutCandidates(std::span<const SeriesFrame> series) {
  const int count = static_cast<int>(series.size());
  std::vector<float> plain(count, 0.0F);
  for (int i = 1; i < count; ++i) plain[i] = PlainDifference(series[i - 1].features, series[i].features);
  const auto plain_at = [&](int i) { return i >= 1 && i < count ? plain[i] : 0.0F; };
  MatchCache matches(series);
  std::vector<CutCandidate> candidates;
  for (int i = 1; i < count; ++i) {
    const FrameFeatures& before = series[i - 1].features;
    const FrameFeatures& after = series[i].features;
    if (plain[i] < kMinPlain && HistogramDistance(before, after) < kMinHistogram) continue;
    const Match match = matches.Get(i - 1, i);
    if (match.residual < 2 && match.unexplained < 0.1F) continue;
    CutCandidate candidate{.frame = i};
    auto& evidence = candidate.evidence.values;
    evidence[0] = Squash(match.residual, 8);
    evidence[1] = match.unexplained;
    evidence[2] = 1 - std::max(0.0F, match.correlation);
    evidence[3] = match.histogram;
    evidence[4] = Squash(plain[i], std::max(plain_at(i - 1), plain_at(i + 1)));
    float around = 0;
    for (const int distance : {2, 3, 4, 5, 6}) around += plain_at(i - distance) + plain_at(i + distance);
    evidence[5] = Squash(plain[i], around / 10);
    float residual = match.residual, correlation = match.correlation, histogram = match.histogram;
    for (const auto& [back, ahead] : kAcross) {
      const int a = i - 1 - back, b = i + ahead;
      if (a < 0 || b >= count || series[i - 1].offset - series[a].offset > kFlash ||
          series[b].offset - series[i].offset > kFlash) {
        continue;
      }
      const Match& across = matches.Get(a, b);
      residual = std::min(residual, across.residual);
      correlation = std::max(correlation, across.correlation);
      histogram = std::min(histogram, across.histogram);
    }
    evidence[6] = Squash(residual, 8);
    evidence[7] = 1 - std::max(0.0F, correlation);
    evidence[8] = histogram;
    float neighbour = 0;
    if (i >= 2) neighbour = std::max(neighbour, matches.Get(i - 2, i - 1).residual);
    if (i + 1 < count) neighbour = std::max(neighbour, matches.Get(i, i + 1).residual);
    evidence[9] = Squash(match.residual, neighbour);
    evidence[10] = std::max(0.0F, 1 - evidence[7] / kAlike);
    candidate.score = Score(candidate.evidence);
    candidates.push_back(candidate);
  }
  return candidates;
}

}  // namespace reelsight::cut_analysis
