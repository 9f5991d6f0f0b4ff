// SPDX-License-Identifier: Apache-2.0
#include "services/tracking/byte_tracker.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/tracking/assignment.h"
#include "services/tracking/kalman_box.h"

namespace reelsight::tracking {
namespace {

using inference::Box;
using inference::Detection;
using ::testing::ElementsAre;

// A box of 0.1 by 0.2 around (x, 0.5).
Detection At(double x, float score = 0.9F, int label = 0) {
  const auto center = static_cast<float>(x);
  return {{center - 0.05F, 0.4F, center + 0.05F, 0.6F}, score, label};
}

// Frames a third of a second apart.
std::vector<TrackedFrame> Frames(std::vector<std::vector<Detection>> detections) {
  std::vector<TrackedFrame> frames;
  for (size_t i = 0; i < detections.size(); ++i) {
    frames.push_back({absl::Seconds(static_cast<double>(i) / 3), std::move(detections[i])});
  }
  return frames;
}

std::vector<int> Lengths(const std::vector<Track>& tracks) {
  std::vector<int> lengths;
  for (const Track& track : tracks) lengths.push_back(static_cast<int>(track.observations.size()));
  return lengths;
}

TEST(AssignTest, IsAsGoodAsTheBestOfAllPermutations) {
  constexpr uint32_t kSeed = 17;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  // Up to three times what a pair may cost: where one would pay for another that is not allowed, too.
  std::uniform_real_distribution<double> uniform(0, 2);
  for (int turn = 0; turn < 200; ++turn) {
    const size_t rows = 1 + random() % 5, columns = 1 + random() % 5;
    std::vector<std::vector<double>> cost(rows, std::vector<double>(columns));
    for (auto& row : cost) {
      for (double& value : row) value = uniform(random);
    }
    constexpr double kMax = 0.7;
    const auto gain = [&](const std::vector<int>& assigned) {
      double sum = 0;
      for (size_t row = 0; row < rows; ++row) {
        if (assigned[row] >= 0) sum += cost[row][static_cast<size_t>(assigned[row])] - kMax;
      }
      return sum;
    };
    // All ways to give rows columns, or nothing.
    double best = 0;
    std::vector<int> slots(columns + rows, -1);
    std::iota(slots.begin(), slots.begin() + static_cast<ptrdiff_t>(columns), 0);
    std::sort(slots.begin(), slots.end());
    do {
      std::vector<int> assigned(slots.begin(), slots.begin() + static_cast<ptrdiff_t>(rows));
      best = std::min(best, gain(assigned));
    } while (std::next_permutation(slots.begin(), slots.end()));
    const std::vector<int> found = Assign(cost, kMax);
    EXPECT_NEAR(gain(found), best, 1e-9) << "turn " << turn;
    for (size_t row = 0; row < rows; ++row) {
      EXPECT_TRUE(found[row] < 0 || cost[row][static_cast<size_t>(found[row])] <= kMax);
    }
  }
}

TEST(AssignTest, NothingToAssign) {
  EXPECT_TRUE(Assign({}, 1).empty());
  EXPECT_THAT(Assign({{}, {}}, 1), ElementsAre(-1, -1));
  EXPECT_THAT(Assign({{5}, {5}}, 1), ElementsAre(-1, -1));
}

TEST(KalmanBoxTest, LearnsAVelocity) {
  KalmanBox filter(At(0.1).box);
  for (int i = 1; i <= 10; ++i) {
    filter.Predict(1.0 / 3);
    filter.Update(At(0.1 + 0.05 * i).box);
  }
  filter.Predict(1.0 / 3);
  const Box predicted = filter.box();
  EXPECT_NEAR((predicted.left + predicted.right) / 2, 0.65, 0.01);
  EXPECT_NEAR(predicted.height(), 0.2, 0.005);
}

TEST(TrackBoxesTest, AMovingObjectIsOneTrackAndTwoAreTwo) {
  std::vector<std::vector<Detection>> detections;
  for (int i = 0; i < 12; ++i) detections.push_back({At(0.1 + 0.04 * i), At(0.9, 0.8F)});
  EXPECT_THAT(Lengths(TrackBoxes(Frames(detections), {}, {})), ElementsAre(12, 12));
}

TEST(TrackBoxesTest, AFastObjectIsFollowedThoughItsBoxesDoNotOverlap) {
  std::vector<std::vector<Detection>> detections;
  for (int i = 0; i < 6; ++i) detections.push_back({At(0.1 + 0.13 * i)});
  EXPECT_THAT(Lengths(TrackBoxes(Frames(detections), {}, {})), ElementsAre(6));
}

TEST(TrackBoxesTest, ObjectsThatCrossKeepTheirIds) {
  std::vector<std::vector<Detection>> detections;
  for (int i = 0; i < 21; ++i) detections.push_back({At(0.2 + 0.03 * i), At(0.8 - 0.03 * i)});
  const std::vector<Track> tracks = TrackBoxes(Frames(detections), {}, {});
  ASSERT_EQ(tracks.size(), 2u);
  for (const Track& track : tracks) {
    for (const Track::Observation& seen : track.observations) {
      EXPECT_EQ(seen.detection, track.observations[0].detection);
    }
  }
}

TEST(TrackBoxesTest, ABriefMissAndAWeakBoxKeepTheId) {
  std::vector<std::vector<Detection>> detections;
  for (int i = 0; i < 12; ++i) {
    detections.push_back({});
    if (i == 4 || i == 5) continue;
    detections.back().push_back(At(0.3 + 0.01 * i, i == 8 ? 0.2F : 0.9F));
  }
  EXPECT_THAT(Lengths(TrackBoxes(Frames(detections), {}, {})), ElementsAre(10));
}

TEST(TrackBoxesTest, AWeakBoxBeginsNoTrackAndLabelsDoNotMix) {
  EXPECT_TRUE(TrackBoxes(Frames({{At(0.5, 0.3F)}, {At(0.5, 0.3F)}}), {}, {}).empty());
  EXPECT_THAT(Lengths(TrackBoxes(Frames({{At(0.5, 0.9F, 1)}, {At(0.5, 0.9F, 2)}}), {}, {})), ElementsAre(1, 1));
}

TEST(TrackBoxesTest, ALongAbsenceAndACutEndATrack) {
  std::vector<std::vector<Detection>> detections(10);
  detections[0] = detections[9] = {At(0.5)};
  EXPECT_THAT(Lengths(TrackBoxes(Frames(detections), {}, {})), ElementsAre(1, 1));
  const auto still = Frames({{At(0.5)}, {At(0.5)}, {At(0.5)}, {At(0.5)}});
  EXPECT_THAT(Lengths(TrackBoxes(still, {absl::Milliseconds(600)}, {})), ElementsAre(2, 2));
  // A cut before the first frame or behind the last one changes nothing.
  EXPECT_THAT(Lengths(TrackBoxes(still, {absl::ZeroDuration(), absl::Seconds(60)}, {})), ElementsAre(4));
}

TEST(TrackBoxesTest, WhoLeavesAndComesBackLaterIsNew) {
  std::vector<std::vector<Detection>> detections;
  for (int i = 0; i < 20; ++i) {
    // Out to the right, and back from there four samples later.
    const double x = i < 8 ? 0.6 + 0.05 * i : 1.5 - 0.05 * i;
    detections.push_back({});
    if (i < 8 || i >= 12) detections.back().push_back(At(x));
  }
  EXPECT_THAT(Lengths(TrackBoxes(Frames(detections), {}, {})), ElementsAre(8, 8));
}

TEST(TrackBoxesTest, SamplesMayBeIrregular) {
  std::vector<TrackedFrame> frames;
  double seconds = 0;
  for (int i = 0; i < 14; ++i) {
    frames.push_back({absl::Seconds(seconds), {At(0.1 + 0.15 * seconds), At(0.9 - 0.1 * seconds)}});
    seconds += i % 3 == 0 ? 0.7 : 0.15;
  }
  // Twice the same time changes nothing.
  frames.insert(frames.begin() + 5, frames[5]);
  const std::vector<Track> tracks = TrackBoxes(frames, {}, {});
  EXPECT_THAT(Lengths(tracks), ElementsAre(15, 15));
  for (const Track& track : tracks) {
    for (const Track::Observation& seen : track.observations) {
      EXPECT_EQ(seen.detection, track.observations[0].detection);
    }
  }
}

TEST(TrackBoxesTest, ManyBoxesAndNone) {
  std::vector<std::vector<Detection>> crowd(5);
  for (auto& frame : crowd) {
    for (int i = 0; i < 200; ++i) {
      const auto x = static_cast<float>(i % 20) / 20, y = static_cast<float>(i / 20) / 10;
      frame.push_back({{x, y, x + 0.04F, y + 0.08F}, 0.9F, 0});
    }
  }
  EXPECT_EQ(TrackBoxes(Frames(crowd), {}, {}).size(), 200u);
  EXPECT_TRUE(TrackBoxes({}, {}, {}).empty());
  EXPECT_TRUE(TrackBoxes(Frames({{}, {}}), {}, {}).empty());
}

}  // namespace
}  // namespace reelsight::tracking
