// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/cut_payload.h"

#include "gtest/gtest.h"
#include "services/lightweight/cut_analysis/made_shots.h"
#include "services/lightweight/cut_analysis/thumbnail.h"
#include "shared/base/status.h"

namespace reelsight::cut_analysis {
namespace {

FrameFeatures Features() {
  const auto image = ToImage(Texture(5));
  return ExtractFeatures({image->plane(0), image->plane(1), image->plane(2), image->width_px(), image->height_px()});
}

TEST(CutPayloadTest, BytesComeBackEqual) {
  const FrameFeatures features = Features();
  const std::string bytes = EncodeFrame(features, "");
  EXPECT_LE(bytes.size(), 1100u);
  const auto decoded = DecodeFrame(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->features.luma, features.luma);
  EXPECT_EQ(decoded->features.v, features.v);
  EXPECT_EQ(decoded->features.luma_histogram, features.luma_histogram);
  EXPECT_EQ(decoded->features.detail, features.detail);
  EXPECT_FALSE(decoded->has_thumbnail);
  EXPECT_EQ(EncodeFrame(decoded->features, ""), bytes);
}

TEST(CutPayloadTest, TheThumbnailComesAlong) {
  const std::string thumbnail(kThumbnailBytes, 't');
  const std::string bytes = EncodeFrame(Features(), thumbnail);
  const auto decoded = DecodeFrame(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->has_thumbnail);
  EXPECT_EQ(ThumbnailOf(bytes), thumbnail);
  EXPECT_EQ(GetReason(DecodeFrame(EncodeFrame(Features(), "small")).status()), "BAD_FRAME");
}

TEST(CutPayloadTest, EveryDamagedRecordIsRefused) {
  const std::string bytes = EncodeFrame(Features(), "");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(GetReason(DecodeFrame(bytes.substr(0, length)).status()), "BAD_FRAME") << length;
  }
  EXPECT_FALSE(DecodeFrame(bytes + "x").ok());
  FrameFeatures odd = Features();
  odd.grid_width += 2;
  EXPECT_EQ(GetReason(DecodeFrame(EncodeFrame(odd, "")).status()), "BAD_FRAME");
}

TEST(CutPayloadTest, ThinPicturesWork) {
  const std::vector<uint8_t> plane(4096, 90);
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(1, 900), std::pair(900, 1), std::pair(2, 3)}) {
    const FrameFeatures features = ExtractFeatures({plane.data(), plane.data(), plane.data(), width, height});
    EXPECT_TRUE(DecodeFrame(EncodeFrame(features, "")).ok()) << width << "x" << height;
  }
}

}  // namespace
}  // namespace reelsight::cut_analysis
