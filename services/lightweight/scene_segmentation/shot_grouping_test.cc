// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/scene_segmentation/shot_grouping.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::scene_segmentation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A picture of two colours, left and right, by I420 levels.
Appearance Look(uint8_t y, uint8_t u, uint8_t v) {
  analysis::Image image(analysis::PixelFormat::kI420, {64, 36});
  for (int row = 0; row < 36; ++row) {
    for (int column = 0; column < 64; ++column) {
      image.mutable_plane(0)[row * 64 + column] = static_cast<uint8_t>(column < 32 ? y : 255 - y);
    }
  }
  std::fill_n(image.mutable_plane(1), 32 * 18, u);
  std::fill_n(image.mutable_plane(2), 32 * 18, v);
  return DescribeAppearance(image);
}

const Appearance& Kitchen() {
  static const Appearance look = Look(60, 100, 160);
  return look;
}
const Appearance& Street() {
  static const Appearance look = Look(180, 150, 110);
  return look;
}
const Appearance& Night() {
  static const Appearance look = Look(20, 128, 128);
  return look;
}

// One shot of 2 s for each list of frames, in one segment.
std::vector<GroupedShot> Shots(const std::vector<std::vector<Appearance>>& looks) {
  std::vector<GroupedShot> shots;
  for (const auto& frames : looks) {
    const absl::Duration start = shots.empty() ? absl::ZeroDuration() : shots.back().end;
    shots.push_back({start, start + absl::Seconds(2), 0, frames});
  }
  return shots;
}

TEST(AppearanceTest, BytesKeepTheLook) {
  const auto decoded = DecodeAppearance(EncodeAppearance(Kitchen()));
  ASSERT_TRUE(decoded.ok());
  EXPECT_GT(Similarity(*decoded, Kitchen()), 0.98F);
  EXPECT_LT(Similarity(Kitchen(), Street()), 0.5F);
  EXPECT_FLOAT_EQ(Similarity(Kitchen(), Street()), Similarity(Street(), Kitchen()));
  EXPECT_FALSE(DecodeAppearance("").ok());
  EXPECT_FALSE(DecodeAppearance(EncodeAppearance(Kitchen()) + "x").ok());
}

TEST(GroupShotsTest, ADialogueIsOneScene) {
  EXPECT_THAT(GroupShots(Shots({{Kitchen()}, {Street()}, {Kitchen()}, {Street()}}), {}), ElementsAre(Scene{0, 3}));
}

TEST(GroupShotsTest, OtherPlacesAreOtherScenes) {
  EXPECT_THAT(GroupShots(Shots({{Kitchen()}, {Kitchen()}, {Street()}, {Street()}, {Night()}}), {}),
              ElementsAre(Scene{0, 1}, Scene{2, 3}, Scene{4, 4}));
}

TEST(GroupShotsTest, AlikeShotsFarApartAreNotJoined) {
  const auto shots = Shots({{Kitchen()}, {Street()}, {Night()}, {Kitchen()}});
  GroupingOptions options;
  EXPECT_THAT(GroupShots(shots, options), ElementsAre(Scene{0, 3}));
  options.max_gap = absl::Seconds(3);
  EXPECT_THAT(GroupShots(shots, options), ElementsAre(Scene{0, 0}, Scene{1, 1}, Scene{2, 2}, Scene{3, 3}));
}

TEST(GroupShotsTest, StrictnessMakesMoreScenes) {
  // A little brighter.
  const auto shots = Shots({{Kitchen()}, {Look(75, 103, 157)}});
  size_t last = 0;
  for (const float strictness : {0.0F, 0.25F, 0.5F, 0.75F, 1.0F}) {
    const size_t count = GroupShots(shots, {.strictness = strictness}).size();
    EXPECT_GE(count, last);
    last = count;
  }
  EXPECT_EQ(GroupShots(shots, {.strictness = 0}).size(), 1u);
  EXPECT_EQ(last, 2u);
}

TEST(GroupShotsTest, ShotsWithoutFramesStayWithANeighbour) {
  EXPECT_THAT(GroupShots(Shots({{}, {}, {Kitchen()}, {}, {Street()}}), {}), ElementsAre(Scene{0, 3}, Scene{4, 4}));
  EXPECT_THAT(GroupShots(Shots({{}, {}}), {}), ElementsAre(Scene{0, 1}));
  EXPECT_THAT(GroupShots({}, {}), IsEmpty());
}

TEST(GroupShotsTest, ScenesHoldEveryShotOnceWhateverTheShots) {
  std::mt19937 random(11);
  const Appearance looks[] = {Kitchen(), Street(), Night()};
  for (int round = 0; round < 300; ++round) {
    std::vector<GroupedShot> shots;
    absl::Duration start;
    int segment = 0;
    const int count = static_cast<int>(random() % 40);
    for (int i = 0; i < count; ++i) {
      if (random() % 8 == 0) {
        ++segment;
        start += absl::Seconds(random() % 5);
      }
      const absl::Duration end = start + absl::Milliseconds(40 + random() % 9000);
      GroupedShot& shot = shots.emplace_back(GroupedShot{start, end, segment, {}});
      for (uint32_t frames = random() % 4; frames > 0; --frames) shot.frames.push_back(looks[random() % 3]);
      start = end;
    }
    GroupingOptions options;
    options.strictness = static_cast<float>(random() % 11) / 10;
    int next = 0;
    for (const Scene& scene : GroupShots(shots, options)) {
      ASSERT_EQ(scene.first, next);
      ASSERT_GE(scene.last, scene.first);
      ASSERT_EQ(shots[scene.first].segment, shots[scene.last].segment);
      next = scene.last + 1;
    }
    ASSERT_EQ(next, count);
  }
}

TEST(ShotGroupingTest, EndsEarlyWhenItIsCancelled) {
  const std::vector<GroupedShot> shots = Shots({{Kitchen()}, {Kitchen()}, {Kitchen()}});
  CancelToken cancel;
  EXPECT_EQ(GroupShots(shots, {}, cancel).size(), 1u);
  cancel.Cancel();
  EXPECT_EQ(GroupShots(shots, {}, cancel).size(), 3u);
}

}  // namespace
}  // namespace reelsight::scene_segmentation
