// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/frame_features.h"

#include <numeric>

#include "gtest/gtest.h"
#include "services/lightweight/cut_analysis/frame_matcher.h"
#include "services/lightweight/cut_analysis/made_shots.h"

namespace reelsight::cut_analysis {
namespace {

FrameFeatures Extract(const Canvas& canvas) {
  const auto image = ToImage(canvas);
  return ExtractFeatures({image->plane(0), image->plane(1), image->plane(2), image->width_px(), image->height_px()});
}

TEST(FrameFeaturesTest, GridCellsAreMeans) {
  Canvas canvas = Blank(50);
  // The left half brighter.
  for (size_t i = 0; i < canvas.y.size(); ++i) canvas.y[i] = i % Canvas::kWidth < Canvas::kWidth / 2 ? 200 : 50;
  const FrameFeatures features = Extract(canvas);
  EXPECT_EQ(features.grid_width % 2, 0);
  EXPECT_EQ(features.grid_height % 2, 0);
  EXPECT_EQ(features.luma.size(), static_cast<size_t>(features.grid_width) * features.grid_height);
  EXPECT_EQ(features.luma.front(), 200);
  EXPECT_EQ(features.luma.back(), 50);
  EXPECT_EQ(features.u.front(), 128);
  const double mean = std::accumulate(features.luma.begin(), features.luma.end(), 0.0) / features.luma.size();
  EXPECT_NEAR(mean, 125, 5);
}

TEST(FrameMatcherTest, MotionIsExplainedAndAnotherPlaceIsNot) {
  const FrameFeatures here = Extract(Texture(1));
  const Match same = CompareFrames(here, here);
  EXPECT_FLOAT_EQ(same.plain, 0);
  EXPECT_FLOAT_EQ(same.residual, 0);
  EXPECT_NEAR(same.correlation, 1, 0.01);
  const Match moved = CompareFrames(here, Extract(Texture(1, 16, 6)));
  const Match other = CompareFrames(here, Extract(Texture(2)));
  EXPECT_LT(moved.residual, other.residual / 3);
  EXPECT_LT(moved.unexplained, 0.3F);
  EXPECT_GT(other.unexplained, 0.5F);
  EXPECT_GT(moved.correlation, 0.7F);
  EXPECT_LT(other.correlation, moved.correlation);
}

TEST(FrameMatcherTest, BlankHasNothingInCommonWithAPicture) {
  const Match match = CompareFrames(Extract(Texture(1)), Extract(Blank(16)));
  EXPECT_FLOAT_EQ(match.correlation, 0);
  EXPECT_LT(Contrast(Extract(Blank(16))), 1);
  EXPECT_NEAR(Brightness(Extract(Blank(77))), 77, 1);
}

}  // namespace
}  // namespace reelsight::cut_analysis
