// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/gradual_detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "services/lightweight/cut_analysis/frame_matcher.h"

namespace reelsight::cut_analysis {
namespace {

// Longest transition looked for.
constexpr absl::Duration kLongest = absl::Milliseconds(2600);
// A frame of less contrast than this, in levels, is blank.
constexpr float kBlankContrast = 2.5F;
// A picture that fades is at least so far from the blank, in levels.
constexpr float kMinFade = 10.0F;
// Frames strictly amid a fade or dissolve.
constexpr int kMinBlended = 2;
// Intervals looked at first, in frames.
constexpr int kLengths[] = {3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64};
// Ends of a dissolve differ by at least this, in levels.
constexpr float kMinChange = 7.0F;
// Mean squared distance from even steps along the line, as a share of its squared length, that rules a dissolve out.
constexpr float kMaxBend = 0.12F;
// Ends that correlate by more than 1 - kAlike look like one shot, whatever the light does.
constexpr float kAlike = 0.3F;

float Squash(float value, float half) { return value / (value + half); }

// A ramp over `values`: 0 up to place `first`, then rising to 1 at place `last`, then 1.
struct Ramp {
  int first = 0;
  int last = 0;
  // Mean squared error.
  float error = 1e9F;
};

Ramp FitRamp(std::span<const float> values) {
  const int count = static_cast<int>(values.size());
  // Sums of squared errors of the flat parts, by place.
  std::vector<float> low(count + 1, 0.0F), high(count + 1, 0.0F);
  for (int i = 0; i < count; ++i) low[i + 1] = low[i] + values[i] * values[i];
  for (int i = count - 1; i >= 0; --i) high[i] = high[i + 1] + (values[i] - 1) * (values[i] - 1);
  Ramp best;
  for (int first = 0; first < count; ++first) {
    for (int last = first + 1; last < count; ++last) {
      float sum = low[first + 1] + high[last];
      const float step = 1.0F / static_cast<float>(last - first);
      for (int i = first + 1; i < last; ++i) {
        const float error = values[i] - step * static_cast<float>(i - first);
        sum += error * error;
      }
      const float error = sum / static_cast<float>(count);
      if (error < best.error) best = {first, last, error};
    }
  }
  return best;
}

// Blank frames [first, end).
struct BlankRun {
  int first = 0;
  int end = 0;
};

std::vector<BlankRun> FindBlankRuns(std::span<const SeriesFrame> series) {
  std::vector<BlankRun> runs;
  for (int i = 0; i < static_cast<int>(series.size()); ++i) {
    if (series[i].contrast >= kBlankContrast) continue;
    if (runs.empty() || runs.back().end != i) runs.push_back({i, i});
    runs.back().end = i + 1;
  }
  return runs;
}

// The fade between frame `blank` and the pictures in direction `step` (-1: fade out, 1: fade in).
// `limit` is the farthest frame it may use. False if there is none.
bool FitFade(std::span<const SeriesFrame> series, const CoarseSeries& coarse, int blank, int step, int limit,
             Transition& out) {
  // Distances from the blank, outwards.
  std::vector<float> distances;
  for (int i = blank; i != limit + step; i += step) {
    if (absl::AbsDuration(series[i].offset - series[blank].offset) > kLongest * 1.3) break;
    distances.push_back(coarse.Distance(i, blank));
  }
  const int count = static_cast<int>(distances.size());
  Ramp best;
  int best_count = 0;
  float best_top = 0;
  // The plateau is what the picture has just after the ramp; it may change later, so several ends are tried.
  for (int end = kMinBlended + 1; end < count; ++end) {
    const float top = *std::max_element(distances.begin() + end, distances.begin() + std::min(count, end + 3));
    if (top < kMinFade) continue;
    std::vector<float> shares;
    const int used = std::min(count, end + 1 + std::max(2, end / 3));
    for (int i = 0; i < used; ++i) shares.push_back(distances[i] / top);
    float sum = 0, last_error = 0;
    // First place that is off the blank: linear from there.
    int start = 0;
    while (start + 1 < end && shares[start + 1] < 0.02F) ++start;
    for (int i = start; i < used; ++i) {
      const float want = i >= end ? 1.0F : static_cast<float>(i - start) / static_cast<float>(end - start);
      last_error = shares[i] - want;
      sum += last_error * last_error;
    }
    const float error = sum / static_cast<float>(used - start);
    if (end - start - 1 < kMinBlended) continue;
    if (error < best.error) best = {start, end, error}, best_count = used, best_top = top;
  }
  if (best_count == 0 || best.error > 0.012F) return false;
  // Even steps: no jump of more than half.
  for (int i = best.first; i < best.last; ++i) {
    if ((distances[i + 1] - distances[i]) / best_top >
        std::max(0.5F, 3.0F / static_cast<float>(best.last - best.first))) {
      return false;
    }
  }
  out.score = std::clamp(1 - best.error / 0.024F, 0.5F, 1.0F);
  if (step < 0) {
    out.kind = TransitionKind::kFadeOut;
    out.first = blank - best.last + 1;
    out.end = blank - best.first;
  } else {
    out.kind = TransitionKind::kFadeIn;
    out.first = blank + best.first + 1;
    out.end = blank + best.last;
  }
  return true;
}

struct Window {
  int from = 0;
  int to = 0;
  float promise = 0;
};

std::vector<Window> FindWindows(std::span<const SeriesFrame> series, const CoarseSeries& coarse) {
  std::vector<Window> windows;
  const int count = coarse.size();
  for (const int length : kLengths) {
    for (int from = 0; from + length < count; from += std::max(1, length / 6)) {
      const int to = from + length;
      if (series[to].offset - series[from].offset > kLongest) continue;
      if (series[from].contrast < kBlankContrast || series[to].contrast < kBlankContrast) continue;
      const float change = coarse.Distance(from, to);
      if (change < kMinChange) continue;
      const int step = std::max(1, length / 8);
      const float scale = 1 / (static_cast<float>((length - 1) / step) * change * change);
      float bend = 0;
      for (int k = from + step; k < to && bend < kMaxBend; k += step) {
        const float off =
            coarse.DistanceFromMix(k, from, to, static_cast<float>(k - from) / static_cast<float>(length));
        bend += scale * off * off;
      }
      if (bend < kMaxBend) windows.push_back({from, to, change * (1 - bend / kMaxBend)});
    }
  }
  std::stable_sort(windows.begin(), windows.end(),
                   [](const Window& a, const Window& b) { return a.promise > b.promise; });
  return windows;
}

// Moves the ends of `window` to where the ramp begins and ends.
Window Refine(const CoarseSeries& coarse, const Window& window) {
  Window refined = window;
  for (int round = 0; round < 2; ++round) {
    const int length = refined.to - refined.from;
    const int low = std::max(0, refined.from - std::max(2, length / 2));
    const int high = std::min(coarse.size() - 1, refined.to + std::max(2, length / 2));
    std::vector<float> shares;
    for (int k = low; k <= high; ++k) shares.push_back(coarse.Share(k, refined.from, refined.to));
    // The ends themselves may still be amid the ramp: stretch so that the quiet parts are 0 and 1.
    const float bottom = *std::min_element(shares.begin(), shares.end());
    const float top = *std::max_element(shares.begin(), shares.end());
    for (float& share : shares) share = (share - bottom) / std::max(1e-3F, top - bottom);
    const Ramp ramp = FitRamp(shares);
    refined.from = low + ramp.first;
    refined.to = low + ramp.last;
  }
  return refined;
}

// Logistic regression on the tuning clips of tests/bench/cuts, each weight kept to the sign that its evidence has.
float DissolveScore(const DissolveEvidence& evidence) {
  static constexpr std::array<float, DissolveEvidence::kCount> kWeights = {-6.8F, -4.85F, -0.06F, 0.77F, 6.08F, 1.8F,
                                                                           4.65F, 0.0F,   -8.79F, -3.9F, -4.6F};
  float sum = -1.2F;
  for (int i = 0; i < DissolveEvidence::kCount; ++i) sum += kWeights[i] * evidence.values[i];
  return 1 / (1 + std::exp(-sum));
}

}  // namespace

std::vector<Transition> FindFades(std::span<const SeriesFrame> series, const CoarseSeries& coarse) {
  std::vector<Transition> fades;
  int free_from = 0;
  for (const BlankRun& run : FindBlankRuns(series)) {
    Transition fade;
    if (run.first > free_from && FitFade(series, coarse, run.first, -1, free_from, fade)) fades.push_back(fade);
    if (run.end < coarse.size() && FitFade(series, coarse, run.end - 1, 1, coarse.size() - 1, fade)) {
      fades.push_back(fade);
      free_from = fade.end;
    } else {
      free_from = run.end - 1;
    }
  }
  return fades;
}

std::vector<DissolveCandidate> FindDissolveCandidates(std::span<const SeriesFrame> series, const CoarseSeries& coarse) {
  std::vector<DissolveCandidate> candidates;
  std::vector<Window> seen;
  for (const Window& window : FindWindows(series, coarse)) {
    // The best window of a neighbourhood speaks for it.
    const bool covered = std::any_of(seen.begin(), seen.end(), [&](const Window& other) {
      const int overlap = std::min(window.to, other.to) - std::max(window.from, other.from);
      return 2 * overlap > std::min(window.to - window.from, other.to - other.from);
    });
    if (covered) continue;
    seen.push_back(window);
    const Window refined = Refine(coarse, window);
    const int length = refined.to - refined.from;
    if (length <= kMinBlended) continue;
    const float change = coarse.Distance(refined.from, refined.to);
    float bend = 0, jump = 0, last = 0;
    for (int k = refined.from + 1; k <= refined.to; ++k) {
      const float share = coarse.Share(k, refined.from, refined.to);
      const float off = coarse.DistanceFromMix(k, refined.from, refined.to, share) / std::max(1.0F, change);
      bend += off * off;
      jump = std::max(jump, share - last);
      last = share;
    }
    const Match match = CompareFrames(series[refined.from].features, series[refined.to].features);
    DissolveCandidate candidate;
    auto& values = candidate.evidence.values;
    values[0] = std::sqrt(bend / static_cast<float>(length));
    values[1] = jump;
    values[2] = jump * static_cast<float>(length) / 4;
    values[3] = Squash(match.residual, 8);
    values[4] = match.unexplained;
    values[5] = 1 - std::max(0.0F, match.correlation);
    values[6] = match.histogram;
    values[7] = Squash(change, 25);
    const SeriesFrame &from = series[refined.from], &to = series[refined.to];
    const SeriesFrame& middle = series[(refined.from + refined.to) / 2];
    const float variance = from.contrast * from.contrast + to.contrast * to.contrast;
    values[8] = Squash(2 * middle.contrast * middle.contrast, variance);
    values[9] = Squash(2.0F * middle.features.detail, static_cast<float>(from.features.detail + to.features.detail));
    values[10] = std::max(0.0F, 1 - values[5] / kAlike);
    candidate.transition = {TransitionKind::kDissolve, refined.from + 1, refined.to, DissolveScore(candidate.evidence)};
    candidates.push_back(candidate);
  }
  return candidates;
}

}  // namespace reelsight::cut_analysis
