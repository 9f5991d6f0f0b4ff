// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/motion_segments.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>

#include "shared/base/quantile.h"

namespace reelsight::camera_analysis {
namespace {

using Motion = v1::CameraAnalysisResult;

enum Component { kPan, kTilt, kZoom, kRoll, kComponents };
using Vector = std::array<double, kComponents>;

// Root mean square distance of the pixels from the centre, in diagonals: what a zoom or a turn moves them by.
const double kMeanRadius = 1 / std::sqrt(12.0);
// Noise of a sample, as a share of the slowest motion that counts.
constexpr double kNoiseShare = 0.3;
// Faster irregular motion is COMPLEX, in diagonals per second.
constexpr double kFastestShake = 0.5;
constexpr double kDominantShare = 0.75;
// Slower than this, in diagonals per second, two neighbouring frames are too alike to tell the speed well.
constexpr double kSlow = 0.12;
constexpr size_t kMinSamples = 3;
// Weight of the penalty for another part.
constexpr double kPenalty = 6;
// The search is quadratic in this; longer shots are searched in blocks.
constexpr size_t kBlockSamples = 4096;
// Frames without an estimate for at least this long are a part of their own.
constexpr absl::Duration kMinUnknown = absl::Seconds(1);

double SquaredNorm(const Vector& vector) {
  double sum = 0;
  for (const double value : vector) sum += value * value;
  return sum;
}

// Samples [first, last).
struct Range {
  size_t first = 0;
  size_t last = 0;
};

// The samples as vectors, and which of them tell something. Constant after construction.
class MotionVectors {
 public:
  MotionVectors(std::span<const MotionSample> samples, const SegmentationOptions& options)
      : samples_(samples), options_(options) {
    const double width = options.aspect_ratio / std::hypot(options.aspect_ratio, 1);
    const double height = 1 / std::hypot(options.aspect_ratio, 1);
    const double turn = 2 * std::numbers::pi * kMeanRadius;
    const double slowest = options.min_speed_per_second;
    slowest_ = {slowest * width, slowest * height, slowest * kMeanRadius, slowest * kMeanRadius};
    noise_ = kNoiseShare * slowest;
    const auto vector = [&](const MotionRates& rates) -> Vector {
      return {rates.pan_per_second * width, rates.tilt_per_second * height, rates.zoom_per_second * kMeanRadius,
              rates.roll_per_second * turn};
    };
    for (const MotionSample& sample : samples) {
      std::optional<Vector> steady;
      if (sample.steady_rates.has_value()) steady = vector(*sample.steady_rates);
      // A frame shown twice hides a motion that the longer time shows.
      const bool hidden = sample.repeated && steady.has_value() && Moves(*steady);
      repeated_.push_back(sample.repeated && !hidden);
      vectors_.push_back(hidden ? *steady : vector(sample.rates));
      steady_.push_back(steady);
    }
    for (size_t i = 0; i < samples.size(); ++i) used_.push_back(samples[i].inlier_share > 0);
    DropDuplicates();
    DropSpikes();
  }

  std::span<const MotionSample> samples() const { return samples_; }
  const SegmentationOptions& options() const { return options_; }
  // Motion of a sample in diagonals per second: how far it moves a pixel, in the root mean square over the picture.
  const Vector& vector(size_t i) const { return vectors_[i]; }
  // The same over the longer time.
  const std::optional<Vector>& steady(size_t i) const { return steady_[i]; }
  bool repeated(size_t i) const { return repeated_[i]; }
  // False: no estimate, a wrong one, or a repeated frame.
  bool used(size_t i) const { return used_[i]; }
  // Slowest motion that counts, in the units of vector().
  double slowest(int component) const { return slowest_[component]; }
  double noise() const { return noise_; }

  // The moment between two samples.
  absl::Duration Between(size_t before, size_t after) const {
    return samples_[before].to + (samples_[after].from - samples_[before].to) / 2;
  }

  bool Moves(const Vector& vector) const {
    for (int k = 0; k < kComponents; ++k) {
      if (std::abs(vector[k]) >= slowest_[k]) return true;
    }
    return false;
  }

 private:
  // One or two repeated frames between moving ones are not rest.
  void DropDuplicates() {
    for (size_t i = 1; i + 1 < samples_.size(); ++i) {
      if (!repeated_[i]) continue;
      size_t last = i;
      while (last + 1 < samples_.size() && repeated_[last + 1]) ++last;
      if (last - i < 2 && last + 1 < samples_.size() && Moves(vectors_[i - 1]) && Moves(vectors_[last + 1])) {
        std::fill(used_.begin() + static_cast<ptrdiff_t>(i), used_.begin() + static_cast<ptrdiff_t>(last) + 1, false);
      }
      i = last;
    }
  }

  // A sample far from all its neighbours, which agree, is a wrong estimate.
  void DropSpikes() {
    constexpr size_t kReach = 3;
    std::vector<bool> spike(samples_.size(), false);
    for (size_t i = 0; i < samples_.size(); ++i) {
      if (!used_[i]) continue;
      std::array<std::vector<double>, kComponents> around;
      for (size_t j = i < kReach ? 0 : i - kReach; j < std::min(samples_.size(), i + kReach + 1); ++j) {
        if (j == i || !used_[j]) continue;
        for (int k = 0; k < kComponents; ++k) around[k].push_back(vectors_[j][k]);
      }
      if (around[0].size() < kReach + 1) continue;
      for (int k = 0; k < kComponents; ++k) {
        const double median = Median(around[k]);
        std::vector<double> distances;
        for (const double value : around[k]) distances.push_back(std::abs(value - median));
        // Three quarters of the neighbours lie closer together than this; shake spreads them widely.
        if (std::abs(vectors_[i][k] - median) > 4 * (Quantile(std::move(distances), 0.75) + noise_)) spike[i] = true;
      }
    }
    for (size_t i = 0; i < samples_.size(); ++i) {
      if (spike[i]) used_[i] = false;
    }
  }

  const std::span<const MotionSample> samples_;
  const SegmentationOptions options_;
  Vector slowest_{};
  double noise_ = 0;
  std::vector<Vector> vectors_;
  std::vector<std::optional<Vector>> steady_;
  std::vector<bool> repeated_;
  std::vector<bool> used_;
};

// What motion a range of samples is.
class MotionNamer {
 public:
  explicit MotionNamer(const MotionVectors& motion) : motion_(motion) {}

  MotionSegment Name(const Range& range, absl::Duration start, absl::Duration end) const {
    MotionSegment segment{.start = start, .end = end};
    std::vector<size_t> members;
    size_t repeated = 0;
    for (size_t i = range.first; i < range.last; ++i) {
      if (motion_.used(i)) {
        members.push_back(i);
      } else if (motion_.repeated(i) && motion_.samples()[i].inlier_share > 0) {
        ++repeated;
      }
    }
    if (members.empty()) return segment;
    const auto count = static_cast<double>(members.size());
    Vector mean{}, deviation{};
    double energy = 0;
    for (const size_t i : members) {
      for (int k = 0; k < kComponents; ++k) mean[k] += motion_.vector(i)[k] / count;
      energy += SquaredNorm(motion_.vector(i)) / count;
    }
    for (const size_t i : members) {
      for (int k = 0; k < kComponents; ++k) deviation[k] += std::pow(motion_.vector(i)[k] - mean[k], 2) / count;
    }
    double variation = 0;
    for (double& value : deviation) {
      variation += value;
      value = std::sqrt(value);
    }

    // Speeds per second of time, repeated frames included.
    const double moving_share = count / (count + static_cast<double>(repeated));
    const double slowest = motion_.options().min_speed_per_second;
    if (variation > SquaredNorm(mean) && variation >= slowest * slowest) {
      segment.motion = std::sqrt(energy) < kFastestShake ? Motion::HANDHELD : Motion::COMPLEX;
      segment.speed_per_second = std::sqrt(energy) * moving_share;
    } else {
      for (double& value : mean) value *= moving_share;
      NameEvenMotion(range, mean, deviation, count, std::sqrt(energy) * moving_share, repeated > 0, segment);
    }
    size_t agreeing = CountAgreeing(members, segment.motion);
    if (segment.motion != Motion::STATIC && 2 * agreeing < members.size()) {
      // A mean that few of its samples look like names nothing.
      segment.motion = Motion::COMPLEX;
      segment.speed_per_second = std::sqrt(energy) * moving_share;
      agreeing = CountAgreeing(members, segment.motion);
    }
    segment.score = static_cast<double>(agreeing) / static_cast<double>(range.last - range.first - repeated);
    return segment;
  }

 private:
  // Mean of component `k` over the longer times within `range`; `mean` where they are few or tell something else.
  double SteadyMean(const Range& range, int k, double mean) const {
    double sum = 0, time = 0;
    size_t agreeing = 0;
    for (size_t i = range.first + 1; i < range.last; ++i) {
      if (!motion_.steady(i).has_value() || motion_.samples()[i].steady_from < motion_.samples()[range.first].from)
        continue;
      const double value = (*motion_.steady(i))[k], around = (motion_.vector(i - 1)[k] + motion_.vector(i)[k]) / 2;
      if (!Near(value, around, k)) continue;
      const double seconds = absl::ToDoubleSeconds(motion_.samples()[i].to - motion_.samples()[i].steady_from);
      sum += value * seconds;
      time += seconds;
      ++agreeing;
    }
    if (time <= 0 || 2 * agreeing < range.last - range.first - 1) return mean;
    const double steady = sum / time;
    return Near(steady, mean, k) ? steady : mean;
  }

  // Two measurements of one component that may be of one motion.
  bool Near(double one, double other, int k) const {
    return std::abs(one - other) <= 0.3 * std::abs(other) + 0.25 * motion_.slowest(k);
  }

  void NameEvenMotion(const Range& range, const Vector& mean, const Vector& deviation, double count, double rms,
                      bool repeated, MotionSegment& segment) const {
    Vector moving{};
    int strongest = kPan;
    for (int k = 0; k < kComponents; ++k) {
      const bool counts =
          std::abs(mean[k]) >= motion_.slowest(k) && std::abs(mean[k]) > 2 * deviation[k] / std::sqrt(count);
      moving[k] = counts ? mean[k] : 0;
      if (std::abs(moving[k]) > std::abs(moving[strongest])) strongest = k;
    }
    const double total = SquaredNorm(moving);
    if (total <= 0) return;
    if (moving[strongest] * moving[strongest] < kDominantShare * total) {
      segment.motion = Motion::COMPLEX;
      segment.speed_per_second = rms;
      return;
    }
    const bool positive = mean[strongest] > 0;
    const bool steady = repeated || std::abs(mean[strongest]) < kSlow;
    const double speed = std::abs(steady ? SteadyMean(range, strongest, mean[strongest]) : mean[strongest]);
    segment.speed_per_second = speed / motion_.slowest(strongest) * motion_.options().min_speed_per_second;
    switch (strongest) {
      case kPan:
        segment.motion = positive ? Motion::PAN_RIGHT : Motion::PAN_LEFT;
        break;
      case kTilt:
        segment.motion = positive ? Motion::TILT_UP : Motion::TILT_DOWN;
        break;
      case kZoom:
        segment.motion = positive ? Motion::ZOOM_IN : Motion::ZOOM_OUT;
        break;
      default:
        segment.motion = Motion::ROLL;
        // Radians to turns.
        segment.speed_per_second /= 2 * std::numbers::pi;
    }
  }

  size_t CountAgreeing(const std::vector<size_t>& members, Motion::Motion motion) const {
    return static_cast<size_t>(
        std::count_if(members.begin(), members.end(), [&](size_t i) { return Agrees(motion_.vector(i), motion); }));
  }

  // Whether one sample looks like `motion`.
  bool Agrees(const Vector& vector, Motion::Motion motion) const {
    const auto along = [&vector](int component, double sign) {
      return sign * vector[component] > 0 && vector[component] * vector[component] >= 0.25 * SquaredNorm(vector);
    };
    switch (motion) {
      case Motion::STATIC:
        return !motion_.Moves(vector);
      case Motion::PAN_LEFT:
        return along(kPan, -1);
      case Motion::PAN_RIGHT:
        return along(kPan, 1);
      case Motion::TILT_UP:
        return along(kTilt, 1);
      case Motion::TILT_DOWN:
        return along(kTilt, -1);
      case Motion::ZOOM_IN:
        return along(kZoom, 1);
      case Motion::ZOOM_OUT:
        return along(kZoom, -1);
      case Motion::ROLL:
        return along(kRoll, 1) || along(kRoll, -1);
      default:
        return motion_.Moves(vector);
    }
  }

  const MotionVectors& motion_;
};

class Segmenter {
 public:
  Segmenter(std::span<const MotionSample> samples, const SegmentationOptions& options) : motion_(samples, options) {}

  std::vector<MotionSegment> Run(absl::Duration start, absl::Duration end) {
    std::vector<Part> parts;
    size_t first = 0;
    for (const Range& range : SplitUnknown()) {
      const absl::Duration part_start = first == 0 ? start : motion_.Between(range.first - 1, range.first);
      const absl::Duration part_end =
          range.last == motion_.samples().size() ? end : motion_.Between(range.last - 1, range.last);
      Split(range, part_start, part_end, parts);
      first = range.last;
    }
    if (parts.empty()) parts.push_back({{0, motion_.samples().size()}, start, end, {}});
    for (Part& part : parts) part.segment = namer_.Name(part.range, part.start, part.end);
    MergeShort(parts);
    MergeEqual(parts);
    std::vector<MotionSegment> segments;
    for (const Part& part : parts) segments.push_back(part.segment);
    return segments;
  }

 private:
  struct Part {
    Range range;
    absl::Duration start;
    absl::Duration end;
    MotionSegment segment;
  };

  // Parts the samples into stretches with estimates and long ones without.
  std::vector<Range> SplitUnknown() const {
    std::vector<Range> ranges;
    size_t begin = 0;
    for (size_t i = 0; i < motion_.samples().size();) {
      if (motion_.samples()[i].inlier_share > 0) {
        ++i;
        continue;
      }
      size_t last = i;
      while (last < motion_.samples().size() && motion_.samples()[last].inlier_share <= 0) ++last;
      if (motion_.samples()[last - 1].to - motion_.samples()[i].from >=
          std::max(kMinUnknown, motion_.options().min_segment)) {
        if (i > begin) ranges.push_back({begin, i});
        ranges.push_back({i, last});
        begin = last;
      }
      i = last;
    }
    if (begin < motion_.samples().size()) ranges.push_back({begin, motion_.samples().size()});
    return ranges;
  }

  // Appends the parts of [start, end), whose samples are `range`.
  void Split(const Range& range, absl::Duration start, absl::Duration end, std::vector<Part>& parts) const {
    std::vector<size_t> members;
    for (size_t i = range.first; i < range.last; ++i) {
      if (motion_.used(i)) members.push_back(i);
    }
    std::vector<size_t> cuts;
    for (size_t block = 0; block < members.size(); block += kBlockSamples) {
      const size_t size = std::min(kBlockSamples, members.size() - block);
      const absl::Duration block_start = block == 0 ? start : motion_.Between(members[block - 1], members[block]);
      const absl::Duration block_end =
          block + size == members.size() ? end : motion_.Between(members[block + size - 1], members[block + size]);
      if (block > 0) cuts.push_back(block);
      for (const size_t cut : FindCuts(std::span(members).subspan(block, size), block_start, block_end)) {
        cuts.push_back(block + cut);
      }
    }
    size_t first = range.first;
    absl::Duration at = start;
    for (const size_t cut : cuts) {
      const absl::Duration boundary = motion_.Between(members[cut - 1], members[cut]);
      parts.push_back({{first, members[cut]}, at, boundary, {}});
      first = members[cut];
      at = boundary;
    }
    parts.push_back({{first, range.last}, at, end, {}});
  }

  // Where to cut `members`: optimal partitioning by dynamic programming.
  std::vector<size_t> FindCuts(std::span<const size_t> members, absl::Duration start, absl::Duration end) const {
    const size_t count = members.size();
    if (count < 2 * kMinSamples) return {};
    std::vector<Vector> sums(count + 1), squares(count + 1);
    std::vector<absl::Duration> edges(count + 1);
    edges[0] = start;
    edges[count] = end;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) edges[i] = motion_.Between(members[i - 1], members[i]);
      for (int k = 0; k < kComponents; ++k) {
        const double value = motion_.vector(members[i])[k];
        sums[i + 1][k] = sums[i][k] + value;
        squares[i + 1][k] = squares[i][k] + value * value;
      }
    }
    const auto cost = [&](size_t first, size_t last) {
      const auto size = static_cast<double>(last - first);
      double product = 1;
      for (int k = 0; k < kComponents; ++k) {
        const double mean = (sums[last][k] - sums[first][k]) / size;
        const double variance = (squares[last][k] - squares[first][k]) / size - mean * mean;
        product *= std::max(variance, 0.0) / (motion_.noise() * motion_.noise()) + 1;
      }
      return size * 0.5 * std::log(product);
    };
    const double penalty = kPenalty * std::log(std::max(8.0, static_cast<double>(count)));
    std::vector<double> best(count + 1, std::numeric_limits<double>::infinity());
    std::vector<size_t> from(count + 1, 0);
    best[0] = 0;
    for (size_t last = kMinSamples; last <= count; ++last) {
      for (size_t first = 0; first + kMinSamples <= last; ++first) {
        if (std::isinf(best[first]) || edges[last] - edges[first] < motion_.options().min_segment) continue;
        const double total = best[first] + cost(first, last) + penalty;
        if (total < best[last]) {
          best[last] = total;
          from[last] = first;
        }
      }
    }
    std::vector<size_t> cuts;
    if (std::isinf(best[count])) return cuts;
    for (size_t at = from[count]; at > 0; at = from[at]) cuts.push_back(at);
    std::reverse(cuts.begin(), cuts.end());
    return cuts;
  }

  // Joins part `index` and the one after it.
  void Join(std::vector<Part>& parts, size_t index) const {
    parts[index].range.last = parts[index + 1].range.last;
    parts[index].end = parts[index + 1].end;
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(index) + 1);
    parts[index].segment = namer_.Name(parts[index].range, parts[index].start, parts[index].end);
  }

  void MergeShort(std::vector<Part>& parts) const {
    for (size_t i = 0; i < parts.size() && parts.size() > 1;) {
      if (parts[i].end - parts[i].start >= motion_.options().min_segment) {
        ++i;
        continue;
      }
      const bool forward = i == 0 || (i + 1 < parts.size() &&
                                      parts[i + 1].end - parts[i + 1].start > parts[i - 1].end - parts[i - 1].start);
      Join(parts, forward ? i : i - 1);
      i = 0;
    }
  }

  // Neighbours of one kind are one segment, also where their speeds differ.
  static void MergeEqual(std::vector<Part>& parts) {
    for (size_t i = 0; i + 1 < parts.size();) {
      MotionSegment& segment = parts[i].segment;
      const MotionSegment& next = parts[i + 1].segment;
      if (segment.motion != next.motion) {
        ++i;
        continue;
      }
      const double all = absl::ToDoubleSeconds(next.end - segment.start);
      const double share = all <= 0 ? 0 : absl::ToDoubleSeconds(next.end - next.start) / all;
      const auto mean = [share](double left, double right) { return left + share * (right - left); };
      const bool square = segment.motion == Motion::HANDHELD || segment.motion == Motion::COMPLEX;
      segment.speed_per_second =
          square ? std::sqrt(mean(std::pow(segment.speed_per_second, 2), std::pow(next.speed_per_second, 2)))
                 : mean(segment.speed_per_second, next.speed_per_second);
      segment.score = mean(segment.score, next.score);
      segment.end = next.end;
      parts.erase(parts.begin() + static_cast<ptrdiff_t>(i) + 1);
    }
  }

  const MotionVectors motion_;
  const MotionNamer namer_{motion_};
};

}  // namespace

std::vector<MotionSegment> SegmentMotion(std::span<const MotionSample> samples, absl::Duration start,
                                         absl::Duration end, const SegmentationOptions& options) {
  return Segmenter(samples, options).Run(start, end);
}

}  // namespace reelsight::camera_analysis
