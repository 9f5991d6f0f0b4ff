// SPDX-License-Identifier: Apache-2.0
//
// The tracker held against the published one: see testdata/make_byte_track_golden.py.
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/tracking/byte_tracker.h"
#include "services/tracking/kalman_box.h"

namespace reelsight::tracking {
namespace {

using inference::Box;

std::ifstream Golden(const char* name) {
  const char* const root = std::getenv("REELSIGHT_SOURCE_DIR");
  return std::ifstream(absl::StrCat(root == nullptr ? "." : root, "/services/tracking/testdata/", name));
}

Box BoxOf(double x, double y, double width, double height) {
  return {static_cast<float>(x - width / 2), static_cast<float>(y - height / 2), static_cast<float>(x + width / 2),
          static_cast<float>(y + height / 2)};
}

struct Scene {
  std::string name;
  double seconds = 0;
  int max_gap_samples = 0;
  std::vector<TrackedFrame> frames;
  // The published tracker's number of each detection; 0: none.
  std::vector<std::vector<int>> published;
};

std::vector<Scene> ReadScenes() {
  std::vector<Scene> scenes;
  std::ifstream golden = Golden("byte_track_golden.txt");
  for (std::string word; golden >> word;) {
    if (word == "scene") {
      Scene& scene = scenes.emplace_back();
      golden >> scene.name >> scene.seconds >> scene.max_gap_samples;
      continue;
    }
    Scene& scene = scenes.back();
    int count = 0;
    golden >> count;
    TrackedFrame frame{.offset = absl::Seconds(scene.seconds * static_cast<double>(scene.frames.size())),
                       .detections = {}};
    std::vector<int> published;
    for (int i = 0; i < count; ++i) {
      double x = 0, y = 0, width = 0, height = 0;
      float score = 0;
      int track = 0;
      golden >> x >> y >> width >> height >> score >> track;
      frame.detections.push_back({.box = BoxOf(x, y, width, height), .score = score});
      published.push_back(track);
    }
    scene.frames.push_back(std::move(frame));
    scene.published.push_back(std::move(published));
  }
  return scenes;
}

TEST(PublishedTest, TheSameTracks) {
  const std::vector<Scene> scenes = ReadScenes();
  ASSERT_EQ(scenes.size(), 4u);
  for (const Scene& scene : scenes) {
    SCOPED_TRACE(scene.name);
    const TrackerOptions options = {.min_iou = 0.2,
                                    .min_iou_weak = 0.5,
                                    .grow = 0,
                                    .max_gap = absl::Seconds(scene.seconds * (scene.max_gap_samples + 0.5))};
    // One to one: of each of ours, theirs; of each of theirs, ours.
    std::map<int, int> theirs, ours;
    int compared = 0, different = 0, index = 0;
    for (const Track& track : TrackBoxes(scene.frames, {}, options)) {
      ++index;
      for (const Track::Observation& seen : track.observations) {
        const int published = scene.published[static_cast<size_t>(seen.frame)][static_cast<size_t>(seen.detection)];
        // The published one reports a track from its second sample on.
        if (published == 0) continue;
        ++compared;
        const bool same = theirs.try_emplace(index, published).first->second == published &&
                          ours.try_emplace(published, index).first->second == index;
        different += same ? 0 : 1;
      }
    }
    EXPECT_GT(compared, 200);
    EXPECT_EQ(different, 0) << "of " << compared;
    int reported = 0;
    for (const std::vector<int>& frame : scene.published) {
      for (const int track : frame) reported += track > 0 ? 1 : 0;
    }
    EXPECT_EQ(compared, reported);
  }
}

TEST(PublishedTest, TheSameFilter) {
  std::ifstream golden = Golden("kalman_golden.txt");
  double seconds = 0;
  int compared = 0;
  std::vector<KalmanBox> filter;
  bool seen_before = true;
  for (std::string word; golden >> word;) {
    if (word == "sequence") {
      golden >> seconds;
      filter.clear();
      continue;
    }
    const double x = std::stod(word);
    double y = 0, aspect = 0, height = 0;
    int seen = 0;
    golden >> y >> aspect >> height >> seen;
    const Box box = BoxOf(x, y, aspect * height, height);
    if (filter.empty()) {
      filter.emplace_back(box);
    } else {
      filter[0].Predict(seconds, seen_before);
      if (seen != 0) filter[0].Update(box);
    }
    seen_before = seen != 0;
    const std::vector<double KalmanBox::State::*> members = {
        &KalmanBox::State::place, &KalmanBox::State::velocity, &KalmanBox::State::place_variance,
        &KalmanBox::State::covariance, &KalmanBox::State::velocity_variance};
    for (const auto member : members) {
      for (const KalmanBox::State& state : filter[0].states()) {
        double expected = 0;
        golden >> expected;
        EXPECT_NEAR(state.*member, expected, 1e-6 + 1e-5 * std::abs(expected)) << "number " << compared;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 2 * 24 * 20);
}

}  // namespace
}  // namespace reelsight::tracking
