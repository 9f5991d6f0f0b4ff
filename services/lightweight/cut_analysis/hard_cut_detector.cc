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
constexpr std::array<float, CutEvidence::kCount> kWeights = {1.39F, 10.59F, 0.0F,  0.26F, 3.24F, 1.88F,
                                                             4.48F, 1.28F,  3.12F, 2.9F,  -4.9F};
constexpr float kBias = -20.7F;

float Score(const CutEvidence& evidence) {
  float sum = kBias;
  for (int i = 0; i < CutEvidence::kCount; ++i) sum += kWeights[i] * evidence.values[i];
  return 1 / (1 + std::exp(-sum));
}

// What the pair and its neighbours say without a search for shifts.
void SetQuickEvidence(const BlockMatch& blocks, float histogram, std::span<const float> plain, int frame,
                      CutEvidence& evidence) {
  const auto plain_at = [&](int i) { return i >= 1 && i < static_cast<int>(plain.size()) ? plain[i] : 0.0F; };
  evidence.values[0] = Squash(blocks.residual, 8);
  evidence.values[1] = blocks.unexplained;
  evidence.values[3] = histogram;
  evidence.values[4] = Squash(plain[frame], std::max(plain_at(frame - 1), plain_at(frame + 1)));
  float around = 0;
  for (const int distance : {2, 3, 4, 5, 6}) around += plain_at(frame - distance) + plain_at(frame + distance);
  evidence.values[5] = Squash(plain[frame], around / 10);
}

// No score of a pair is above this, given its quick evidence or more than that.
float HighestScore(CutEvidence evidence) {
  for (const int other : {2, 6, 7, 8, 9}) evidence.values[other] = 1;
  evidence.values[10] = 0;
  return Score(evidence);
}

}  // namespace

std::vector<CutCandidate> FindCutCandidates(std::span<const SeriesFrame> series, float least_score) {
  const int count = static_cast<int>(series.size());
  std::vector<float> plain(count, 0.0F);
  for (int i = 1; i < count; ++i) plain[i] = PlainDifference(series[i - 1].features, series[i].features);
  MatchCache matches(series);
  std::vector<CutCandidate> candidates;
  for (int i = 1; i < count; ++i) {
    const FrameFeatures& before = series[i - 1].features;
    const FrameFeatures& after = series[i].features;
    const float pair_histogram = HistogramDistance(before, after);
    if (plain[i] < kMinPlain && pair_histogram < kMinHistogram) continue;
    CutCandidate candidate{.frame = i};
    auto& evidence = candidate.evidence.values;
    SetQuickEvidence(MatchInPlace(before, after), pair_histogram, plain, i, candidate.evidence);
    if (HighestScore(candidate.evidence) < least_score) continue;
    const Match match = matches.Get(i - 1, i);
    if (match.residual < 2 && match.unexplained < 0.1F) continue;
    SetQuickEvidence({match.residual, match.unexplained}, match.histogram, plain, i, candidate.evidence);
    evidence[2] = 1 - std::max(0.0F, match.correlation);
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
    if (candidate.score >= least_score) candidates.push_back(candidate);
  }
  return candidates;
}

}  // namespace reelsight::cut_analysis
