// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/color_analysis/palette.h"

#include <random>

#include "gtest/gtest.h"

namespace reelsight::color_analysis {
namespace {

TEST(PaletteTest, NothingGivesNothing) { EXPECT_TRUE(FindPalette({}, {}).empty()); }

TEST(PaletteTest, OneColorIsOneCluster) {
  const std::vector<PaletteColor> palette = FindPalette(std::vector<ColorCell>{{{50, 10, 20}, 7}}, {});
  ASSERT_EQ(palette.size(), 1u);
  EXPECT_FLOAT_EQ(palette[0].mean.a, 10);
  EXPECT_DOUBLE_EQ(palette[0].share, 1);
}

// Three clouds of known size around known colours.
std::vector<ColorCell> Clouds() {
  std::mt19937 random(5);
  std::vector<ColorCell> cells;
  const Lab centers[] = {{20, 0, 0}, {60, 60, 40}, {80, -40, 50}};
  const int counts[] = {500, 300, 200};
  for (int cloud = 0; cloud < 3; ++cloud) {
    for (int i = 0; i < 100; ++i) {
      const auto jitter = [&random] { return static_cast<float>(random() % 1001) / 250 - 2; };
      cells.push_back({{centers[cloud].lightness + jitter(), centers[cloud].a + jitter(), centers[cloud].b + jitter()},
                       counts[cloud]});
    }
  }
  return cells;
}

TEST(PaletteTest, FindsCloudsLargestFirstWithTheirShares) {
  const std::vector<PaletteColor> palette = FindPalette(Clouds(), {.max_colors = 3});
  ASSERT_EQ(palette.size(), 3u);
  EXPECT_NEAR(palette[0].share, 0.5, 1e-9);
  EXPECT_NEAR(palette[1].share, 0.3, 1e-9);
  EXPECT_NEAR(palette[2].share, 0.2, 1e-9);
  EXPECT_NEAR(palette[0].mean.lightness, 20, 0.5);
  EXPECT_NEAR(palette[1].mean.a, 60, 0.5);
  EXPECT_NEAR(palette[2].mean.b, 50, 0.5);
}

TEST(PaletteTest, MergesWhatLooksAlike) {
  // With ten clusters for three clouds, the parts of a cloud become one colour again.
  EXPECT_EQ(FindPalette(Clouds(), {.max_colors = 10}).size(), 3u);
  EXPECT_EQ(FindPalette(Clouds(), {.max_colors = 10, .merge_delta_e = 0}).size(), 10u);
}

TEST(PaletteTest, ReportsNoMoreThanAsked) {
  EXPECT_EQ(FindPalette(Clouds(), {.max_colors = 1}).size(), 1u);
  EXPECT_EQ(FindPalette(Clouds(), {.max_colors = 2}).size(), 2u);
}

TEST(PaletteTest, LeavesSpecksOut) {
  const std::vector<ColorCell> cells = {{{20, 0, 0}, 995}, {{90, 0, 0}, 5}};
  const std::vector<PaletteColor> palette = FindPalette(cells, {});
  ASSERT_EQ(palette.size(), 1u);
  EXPECT_NEAR(palette[0].share, 0.995, 1e-9);
}

TEST(PaletteTest, EqualInputGivesEqualOutput) {
  const std::vector<PaletteColor> first = FindPalette(Clouds(), {}), second = FindPalette(Clouds(), {});
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].share, second[i].share);
    EXPECT_EQ(SquaredDistance(first[i].mean, second[i].mean), 0);
  }
}

}  // namespace
}  // namespace reelsight::color_analysis
