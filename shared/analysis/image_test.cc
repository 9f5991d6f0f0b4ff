// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/image.h"

#include <vector>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::analysis {
namespace {

TEST(SizeForTest, ScalesTheLongestSideKeepsTheAspectAndNeverEnlarges) {
  const FrameSpec spec{.max_side_px = 160};
  EXPECT_EQ(SizeFor(spec, {720, 1280}), (ImageSize{90, 160}));
  EXPECT_EQ(SizeFor(spec, {1280, 720}), (ImageSize{160, 90}));
  EXPECT_EQ(SizeFor(spec, {100, 50}), (ImageSize{100, 50}));
  EXPECT_EQ(SizeFor(spec, {4000, 3}), (ImageSize{160, 2}));
  EXPECT_EQ(SizeFor(spec, {1, 16000}), (ImageSize{2, 160}));
  EXPECT_EQ(SizeFor({.width_px = 48, .height_px = 27}, {10, 10}), (ImageSize{48, 27}));
  EXPECT_EQ(SizeFor({}, {321, 123}), (ImageSize{321, 123}));
}

TEST(ImageTest, OddI420PlanesDoNotOverlap) {
  Image image(PixelFormat::kI420, {5, 3});
  EXPECT_EQ(image.bytes().size(), 5u * 3 + 2 * 3 * 2);
  EXPECT_EQ(image.plane(1) - image.plane(0), 15);
  EXPECT_EQ(image.plane(2) - image.plane(1), 6);
  EXPECT_EQ(image.stride_bytes(1), 3);
}

TEST(ImageTest, WrapRefusesDataOfAnotherSize) {
  const std::vector<uint8_t> data(3 * 4 * 4);
  EXPECT_TRUE(Image::Wrap(PixelFormat::kRgb24, {4, 4}, data, nullptr).ok());
  EXPECT_EQ(GetReason(Image::Wrap(PixelFormat::kRgb24, {4, 5}, data, nullptr).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(Image::Wrap(PixelFormat::kGray8, {0, 48}, {}, nullptr).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(Image::Wrap(PixelFormat::kGray8, {1 << 20, 1 << 20}, data, nullptr).status()), "BAD_FRAME");
}

TEST(ImageTest, WrapRefusesSidesThatPixelArithmeticDoesNotHold) {
  const std::vector<uint8_t> data(2 * (kMaxSidePx + 1));
  for (const ImageSize size : {ImageSize{2, kMaxSidePx}, ImageSize{kMaxSidePx, 2}}) {
    const auto bytes = static_cast<size_t>(ImageBytes(PixelFormat::kGray8, size));
    EXPECT_TRUE(Image::Wrap(PixelFormat::kGray8, size, {data.data(), bytes}, nullptr).ok());
  }
  const absl::Status tall = Image::Wrap(PixelFormat::kGray8, {2, kMaxSidePx + 1}, data, nullptr).status();
  EXPECT_EQ(GetReason(tall), "BAD_FRAME");
  EXPECT_EQ(tall.message(),
            "a height of 16385 pixels is over 16384, the most that a side may have; scale the video down");
  const absl::Status wide = Image::Wrap(PixelFormat::kGray8, {kMaxSidePx + 1, 2}, data, nullptr).status();
  EXPECT_EQ(wide.message(),
            "a width of 16385 pixels is over 16384, the most that a side may have; scale the video down");
}

TEST(FrameSpecTest, SidesThatNoPictureHasAreRefused) {
  const auto spec = [](int max_side_px, int width_px, int height_px) {
    analyzer::v1::FrameSpec out;
    out.set_format(analyzer::v1::PIXEL_FORMAT_GRAY8);
    out.set_max_side_px(max_side_px);
    out.set_width_px(width_px);
    out.set_height_px(height_px);
    return FromProto(out);
  };
  EXPECT_TRUE(spec(0, kMaxSidePx, 1).ok());
  // Never enlarged, so any bound is one.
  EXPECT_TRUE(spec(1 << 30, 0, 0).ok());
  EXPECT_EQ(GetReason(spec(0, kMaxSidePx + 1, 1).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(spec(0, 1, 1 << 30).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(spec(0, 0, 16).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(spec(-1, 0, 0).status()), "BAD_FRAME");
}

}  // namespace
}  // namespace reelsight::analysis
