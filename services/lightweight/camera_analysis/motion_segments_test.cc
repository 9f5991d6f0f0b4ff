// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/motion_segments.h"

#include <cmath>
#include <functional>
#include <random>

#include "gtest/gtest.h"

namespace reelsight::camera_analysis {
namespace {

using Motion = v1::CameraAnalysisResult;

constexpr double kFps = 6;

// Samples of `seconds` of a 30 fps video, six a second; `motion` sets the rates at a time.
std::vector<MotionSample> Samples(double seconds, const std::function<void(double time, MotionSample&)>& motion) {
  std::vector<MotionSample> samples;
  for (int i = 1; i < seconds * kFps; ++i) {
    const double time = i / kFps;
    MotionSample sample{.from = absl::Seconds(time - 1 / 30.0), .to = absl::Seconds(time), .inlier_share = 0.8};
    motion(time, sample);
    samples.push_back(sample);
  }
  return samples;
}

std::vector<MotionSegment> Segment(const std::vector<MotionSample>& samples, double seconds,
                                   SegmentationOptions options = {}) {
  const std::vector<MotionSegment> segments =
      SegmentMotion(samples, absl::ZeroDuration(), absl::Seconds(seconds), options);
  // Whatever comes out tiles the shot.
  EXPECT_FALSE(segments.empty());
  EXPECT_EQ(segments.front().start, absl::ZeroDuration());
  EXPECT_EQ(segments.back().end, absl::Seconds(seconds));
  for (size_t i = 1; i < segments.size(); ++i) {
    EXPECT_EQ(segments[i].start, segments[i - 1].end);
    EXPECT_NE(segments[i].motion, segments[i - 1].motion);
  }
  return segments;
}

// Noise of a tracker.
class Noise {
 public:
  double operator()(double deviation) { return deviation * normal_(random_); }

 private:
  std::mt19937 random_{11};
  std::normal_distribution<double> normal_;
};

struct Case {
  double pan, tilt, zoom, roll;
  Motion::Motion motion;
  double speed;
};

class EvenMotionTest : public ::testing::TestWithParam<Case> {};

TEST_P(EvenMotionTest, IsNamedWithItsSpeed) {
  const Case& c = GetParam();
  Noise noise;
  const std::vector<MotionSegment> segments = Segment(Samples(5,
                                                              [&](double, MotionSample& sample) {
                                                                sample.rates.pan_per_second = c.pan + noise(0.004);
                                                                sample.rates.tilt_per_second = c.tilt + noise(0.004);
                                                                sample.rates.zoom_per_second = c.zoom + noise(0.002);
                                                                sample.rates.roll_per_second = c.roll + noise(0.0005);
                                                              }),
                                                      5);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, c.motion) << Motion::Motion_Name(segments[0].motion);
  EXPECT_NEAR(segments[0].speed_per_second, c.speed, 0.05 * c.speed + 1e-12);
  EXPECT_GT(segments[0].score, 0.9);
  EXPECT_LE(segments[0].score, 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, EvenMotionTest,
    ::testing::Values(Case{0, 0, 0, 0, Motion::STATIC, 0}, Case{0.01, -0.01, 0.01, 0.001, Motion::STATIC, 0},
                      Case{-0.03, 0, 0, 0, Motion::PAN_LEFT, 0.03}, Case{0.5, 0.05, 0, 0, Motion::PAN_RIGHT, 0.5},
                      Case{0, 0.1, 0, 0, Motion::TILT_UP, 0.1}, Case{0, -0.1, 0, 0, Motion::TILT_DOWN, 0.1},
                      Case{0, 0, 0.05, 0, Motion::ZOOM_IN, 0.05}, Case{0, 0, -0.2, 0, Motion::ZOOM_OUT, 0.2},
                      Case{0, 0, 0, 0.02, Motion::ROLL, 0.02}, Case{0, 0, 0, -0.02, Motion::ROLL, 0.02},
                      // Twice as wide as high: equal fractions are not equal lengths, and both count.
                      Case{0.2, 0.35, 0, 0, Motion::COMPLEX, std::hypot(0.2 * 16, 0.35 * 9) / std::hypot(16, 9)}));

TEST(MotionSegmentsTest, SlowestMotionIsAnOption) {
  const auto samples = Samples(4, [](double, MotionSample& sample) { sample.rates.pan_per_second = 0.015; });
  EXPECT_EQ(Segment(samples, 4)[0].motion, Motion::STATIC);
  EXPECT_EQ(Segment(samples, 4, {.min_speed_per_second = 0.01})[0].motion, Motion::PAN_RIGHT);
}

TEST(MotionSegmentsTest, ShakeIsHandheldAndStrongShakeIsComplex) {
  Noise noise;
  const auto shake = [&noise](double strength) {
    return Samples(8, [&noise, strength](double, MotionSample& sample) {
      sample.rates.pan_per_second = noise(strength);
      sample.rates.tilt_per_second = noise(strength);
    });
  };
  const std::vector<MotionSegment> weak = Segment(shake(0.08), 8);
  ASSERT_EQ(weak.size(), 1u);
  EXPECT_EQ(weak[0].motion, Motion::HANDHELD);
  EXPECT_NEAR(weak[0].speed_per_second, 0.08, 0.015);
  EXPECT_EQ(Segment(shake(0.9), 8)[0].motion, Motion::COMPLEX);
  EXPECT_EQ(Segment(shake(0.005), 8)[0].motion, Motion::STATIC);
}

TEST(MotionSegmentsTest, APanByHandIsAPan) {
  Noise noise;
  const std::vector<MotionSegment> segments = Segment(Samples(6,
                                                              [&](double, MotionSample& sample) {
                                                                sample.rates.pan_per_second = 0.2 + noise(0.05);
                                                                sample.rates.tilt_per_second = noise(0.05);
                                                              }),
                                                      6);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::PAN_RIGHT);
}

TEST(MotionSegmentsTest, SplitsWhereTheMotionChanges) {
  const std::vector<MotionSegment> segments = Segment(Samples(6,
                                                              [](double time, MotionSample& sample) {
                                                                if (time > 2 && time < 4)
                                                                  sample.rates.pan_per_second = -0.2;
                                                                if (time > 4) sample.rates.zoom_per_second = 0.1;
                                                              }),
                                                      6);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0].motion, Motion::STATIC);
  EXPECT_EQ(segments[1].motion, Motion::PAN_LEFT);
  EXPECT_EQ(segments[2].motion, Motion::ZOOM_IN);
  // A change lies between two pairs, so within half of a sampling interval.
  EXPECT_NEAR(absl::ToDoubleSeconds(segments[1].start), 2, 0.5 / kFps + 0.02);
  EXPECT_NEAR(absl::ToDoubleSeconds(segments[1].end), 4, 0.5 / kFps + 0.02);
  EXPECT_NEAR(segments[1].speed_per_second, 0.2, 1e-9);
}

TEST(MotionSegmentsTest, APanThatSpeedsUpIsOneSegmentOfMeanSpeed) {
  const std::vector<MotionSegment> segments = Segment(
      Samples(6, [](double time, MotionSample& sample) { sample.rates.pan_per_second = time < 3 ? 0.1 : 0.3; }), 6);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_NEAR(segments[0].speed_per_second, 0.2, 0.01);
}

TEST(MotionSegmentsTest, NoSegmentIsShorterThanAllowed) {
  const auto samples = Samples(12, [](double time, MotionSample& sample) {
    sample.rates.pan_per_second = std::fmod(time, 3.2) < 1.6 ? 0.3 : -0.3;
  });
  EXPECT_EQ(Segment(samples, 12).size(), 8u);
  for (const MotionSegment& segment : Segment(samples, 12, {.min_segment = absl::Seconds(3)})) {
    EXPECT_GE(segment.end - segment.start, absl::Seconds(3));
  }
  // A shot shorter than that is one segment.
  EXPECT_EQ(Segment(samples, 12, {.min_segment = absl::Seconds(10)}).size(), 1u);
}

TEST(MotionSegmentsTest, OneWrongEstimateChangesNothing) {
  const std::vector<MotionSegment> segments = Segment(Samples(5,
                                                              [](double time, MotionSample& sample) {
                                                                const bool wrong = std::abs(time - 2.5) < 0.01;
                                                                sample.rates.pan_per_second = wrong ? -3 : 0.1;
                                                                if (wrong) sample.rates.tilt_per_second = 4;
                                                              }),
                                                      5);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::PAN_RIGHT);
  EXPECT_NEAR(segments[0].speed_per_second, 0.1, 1e-6);
  EXPECT_LT(segments[0].score, 1);
}

TEST(MotionSegmentsTest, AMeanThatNoSampleLooksLikeIsComplex) {
  // Two pans that cancel but for a turn.
  const auto samples = Samples(0.5, [](double time, MotionSample& sample) {
    sample.rates.pan_per_second = time < 0.2 ? 0.14 : -0.14;
    sample.rates.roll_per_second = 0.025;
    sample.rates.tilt_per_second = time < 0.2 ? 0.02 : -0.02;
  });
  ASSERT_EQ(samples.size(), 2u);
  const std::vector<MotionSegment> segments = Segment(samples, 0.5, {.min_speed_per_second = 0.15});
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::COMPLEX);
}

TEST(MotionSegmentsTest, StrongShakeIsNoWrongEstimate) {
  // One of the strongest pairs of a shake must stay in its strength.
  const double pans[] = {-0.145, 0.04, -0.126, 0.264, -0.004, -0.13, 0.1};
  size_t next = 0;
  double energy = 0;
  const auto samples = Samples(8 / kFps, [&](double, MotionSample& sample) {
    sample.rates.pan_per_second = pans[next++];
    energy += std::pow(sample.rates.pan_per_second * 16 / std::hypot(16, 9), 2);
  });
  const std::vector<MotionSegment> segments = Segment(samples, 8 / kFps);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::HANDHELD);
  EXPECT_NEAR(segments[0].speed_per_second, std::sqrt(energy / 7), 1e-9);
}

TEST(MotionSegmentsTest, RepeatedFramesDoNotSplitAMotionButCountForItsSpeed) {
  int count = 0;
  const std::vector<MotionSegment> segments = Segment(Samples(5,
                                                              [&count](double, MotionSample& sample) {
                                                                sample.repeated = ++count % 2 == 0;
                                                                sample.rates.pan_per_second = sample.repeated ? 0 : 0.4;
                                                              }),
                                                      5);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::PAN_RIGHT);
  EXPECT_NEAR(segments[0].speed_per_second, 0.2, 0.01);
  EXPECT_NEAR(segments[0].score, 1, 1e-9);
}

TEST(MotionSegmentsTest, SpeedComesFromTheLongerTimeWhereItAgrees) {
  const auto with = [](double steady) {
    return Segment(Samples(4,
                           [steady](double, MotionSample& sample) {
                             sample.rates.zoom_per_second = 0.034;
                             sample.steady_rates = MotionRates{.zoom_per_second = steady};
                             sample.steady_from = sample.to - absl::Milliseconds(100);
                           }),
                   4)[0]
        .speed_per_second;
  };
  EXPECT_NEAR(with(0.03), 0.03, 1e-6);
  EXPECT_NEAR(with(-0.03), 0.034, 1e-6);
  EXPECT_NEAR(with(0.4), 0.034, 1e-6);
  EXPECT_NEAR(with(0.015), 0.034, 1e-6);
}

TEST(MotionSegmentsTest, TheLongerTimeShowsAMotionThatRepeatedFramesHide) {
  const std::vector<MotionSegment> segments =
      Segment(Samples(4,
                      [](double, MotionSample& sample) {
                        sample.repeated = true;
                        sample.steady_rates = MotionRates{.pan_per_second = 0.1};
                        sample.steady_from = sample.to - absl::Milliseconds(100);
                      }),
              4);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::PAN_RIGHT);
  EXPECT_NEAR(segments[0].speed_per_second, 0.1, 1e-6);
}

TEST(MotionSegmentsTest, AStillPictureIsStatic) {
  const std::vector<MotionSegment> segments =
      Segment(Samples(3, [](double, MotionSample& sample) { sample.repeated = true; }), 3);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].motion, Motion::STATIC);
  EXPECT_EQ(segments[0].score, 1);
}

TEST(MotionSegmentsTest, WithoutEstimatesItIsStaticWithScoreZero) {
  const std::vector<MotionSegment> nothing = Segment({}, 2);
  ASSERT_EQ(nothing.size(), 1u);
  EXPECT_EQ(nothing[0].motion, Motion::STATIC);
  EXPECT_EQ(nothing[0].score, 0);
  const std::vector<MotionSegment> blind =
      Segment(Samples(3, [](double, MotionSample& sample) { sample.inlier_share = 0; }), 3);
  ASSERT_EQ(blind.size(), 1u);
  EXPECT_EQ(blind[0].score, 0);
}

TEST(MotionSegmentsTest, ALongSpanWithoutEstimatesIsASegmentOfItsOwn) {
  const auto samples = Samples(8, [](double time, MotionSample& sample) {
    sample.rates.pan_per_second = 0.2;
    if (time > 3 && time < 5) {
      sample.rates.pan_per_second = 0;
      sample.inlier_share = 0;
    }
  });
  const std::vector<MotionSegment> segments = Segment(samples, 8);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[1].motion, Motion::STATIC);
  EXPECT_EQ(segments[1].score, 0);
  EXPECT_NEAR(absl::ToDoubleSeconds(segments[1].start), 3, 0.2);
  EXPECT_NEAR(absl::ToDoubleSeconds(segments[1].end), 5, 0.2);
  EXPECT_NEAR(segments[2].speed_per_second, 0.2, 1e-9);
}

TEST(MotionSegmentsTest, LongShotsAreCutLikeShortOnes) {
  // More samples than one block of the search.
  const auto samples = Samples(1000, [](double time, MotionSample& sample) {
    if (time > 400 && time < 900) sample.rates.tilt_per_second = 0.1;
  });
  ASSERT_GT(samples.size(), 4096u);
  const std::vector<MotionSegment> segments = Segment(samples, 1000);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[1].motion, Motion::TILT_UP);
  EXPECT_NEAR(absl::ToDoubleSeconds(segments[1].start), 400, 0.12);
  EXPECT_NEAR(absl::ToDoubleSeconds(segments[1].end), 900, 0.12);
}

}  // namespace
}  // namespace reelsight::camera_analysis
