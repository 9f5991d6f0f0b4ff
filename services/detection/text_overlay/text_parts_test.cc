// SPDX-License-Identifier: Apache-2.0
//
// The parts between the networks: maps to regions, steps to letters, payloads.
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/detection/text_overlay/craft_postprocess.h"
#include "services/detection/text_overlay/ctc_decoder.h"
#include "services/detection/text_overlay/db_postprocess.h"
#include "services/detection/text_overlay/recognizer_batch.h"
#include "services/detection/text_overlay/region_crop.h"
#include "services/detection/text_overlay/text_payload.h"
#include "services/detection/text_overlay/text_reader.h"
#include "services/detection/text_overlay/text_similarity.h"

namespace reelsight::text_overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<TextRegion> Regions(const cv::Mat& map, int picture_width_px, int picture_height_px) {
  return FindDbRegions({map.ptr<float>(), map.total()}, map.cols, map.rows, picture_width_px, picture_height_px,
                       DbOptions());
}

TEST(DbPostprocessTest, ARectangleGrowsByItsAreaOverItsPerimeter) {
  cv::Mat map = cv::Mat::zeros(96, 160, CV_32F);
  map(cv::Rect(30, 40, 100, 12)) = 0.9F;
  const auto regions = Regions(map, 320, 192);
  ASSERT_THAT(regions, SizeIs(1));
  EXPECT_NEAR(regions[0].score, 0.9F, 0.1F);
  // Dilated by one pixel: outline 100 x 12, distance 1200 * 1.6 / 224 = 8.6, pictures twice as large.
  const Quad& quad = regions[0].quad;
  EXPECT_NEAR(quad[0].x, 2 * (30 - 8.6), 3);
  EXPECT_NEAR(quad[0].y, 2 * (40 - 8.6), 3);
  EXPECT_NEAR(quad[2].x, 2 * (130 + 8.6), 3);
  EXPECT_NEAR(quad[2].y, 2 * (52 + 8.6), 3);
}

TEST(DbPostprocessTest, FaintAndTinySpotsAreNoText) {
  cv::Mat map = cv::Mat::zeros(96, 160, CV_32F);
  map(cv::Rect(10, 10, 60, 12)) = 0.4F;
  map(cv::Rect(100, 60, 2, 1)) = 0.9F;
  EXPECT_THAT(Regions(map, 160, 96), IsEmpty());
}

TEST(DbPostprocessTest, MapsOfAnyContentAndSizeAreSafe) {
  cv::Mat not_a_number(32, 32, CV_32F, cv::Scalar(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_THAT(Regions(not_a_number, 32, 32), IsEmpty());
  cv::Mat all(32, 32, CV_32F, cv::Scalar(1));
  for (const TextRegion& region : Regions(all, 1, 1)) {
    for (const Point& corner : region.quad) EXPECT_EQ(corner.x, 0);
  }
  EXPECT_THAT(Regions(cv::Mat(1, 1, CV_32F, cv::Scalar(1)), 1, 1), IsEmpty());
}

TEST(DbPostprocessTest, ManyRegionsComeInReadingOrder) {
  cv::Mat map = cv::Mat::zeros(960, 960, CV_32F);
  for (int row = 0; row < 24; ++row) {
    for (int column = 0; column < 10; ++column) map(cv::Rect(20 + 92 * column, 20 + 38 * row, 50, 8)) = 0.9F;
  }
  std::vector<TextRegion> regions = Regions(map, 960, 960);
  ASSERT_THAT(regions, SizeIs(240));
  for (size_t i = 1; i < regions.size(); ++i) {
    const Point &before = regions[i - 1].quad[0], &here = regions[i].quad[0];
    EXPECT_TRUE(here.y > before.y + 10 || here.x > before.x);
  }
  // The largest are kept, in their order.
  const float last_top = regions[239].quad[0].y;
  regions[239].quad[1].x += 10;
  EXPECT_EQ(KeepLargest(&regions), 40);
  ASSERT_THAT(regions, SizeIs(kMaxRegions));
  EXPECT_EQ(regions.back().quad[0].y, last_top);
  EXPECT_EQ(KeepLargest(&regions), 0);
}

TEST(CraftPostprocessTest, WordsAreFoundAndJoinedToLines) {
  cv::Mat text = cv::Mat::zeros(100, 200, CV_32F), link = cv::Mat::zeros(100, 200, CV_32F);
  for (const int x : {20, 34, 70, 84}) text(cv::Rect(x, 30, 10, 14)) = 0.9F;
  for (const int x : {28, 78}) link(cv::Rect(x, 34, 8, 6)) = 0.9F;
  // As weak as this it is no text, however large.
  text(cv::Rect(20, 70, 60, 14)) = 0.6F;
  const auto words =
      FindCraftWords({text.ptr<float>(), text.total()}, {link.ptr<float>(), link.total()}, 200, 100, CraftOptions());
  ASSERT_THAT(words, SizeIs(2));
  std::vector<Quad> quads;
  for (const TextRegion& word : words) quads.push_back(word.quad);
  EXPECT_THAT(GroupCraftWords(quads), SizeIs(2));
  // A gap of less than half the height joins.
  for (Point& corner : quads[1]) corner.x -= 20;
  const auto lines = GroupCraftWords(quads);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_TRUE(lines[0].upright);
  EXPECT_THAT(GroupCraftWords({}), IsEmpty());
}

TEST(CtcDecoderTest, RepetitionsJoinAndBlanksPart) {
  const std::vector<std::string> characters = {"a", "é", " "};
  // a a - a é é, where `-` is the blank.
  const std::vector<float> steps = {.1F, .9F, 0, 0, .2F, .8F, 0,   0, .7F, .3F, 0,   0,
                                    .1F, .5F, 0, 0, 0,   0,   .6F, 0, 0,   0,   .4F, 0};
  const DecodedText decoded = DecodeCtc(steps, characters);
  EXPECT_EQ(decoded.text, "aaé");
  EXPECT_THAT(decoded.character_scores, ElementsAre(.9F, .5F, .6F));
  EXPECT_THAT(decoded.step_scores, ElementsAre(.9F, .8F, .5F, .6F, .4F));
  EXPECT_EQ(DecodeCtc({}, characters).text, "");
  EXPECT_NEAR(MeanScore(decoded.character_scores), 2.0F / 3, 1e-6);
  EXPECT_EQ(MeanScore({}), 0);
  EXPECT_NEAR(EasyOcrScore(std::vector<float>{.9F, .8F, .9F, .8F}), .9 * .8 * .9 * .8, 1e-6);
  EXPECT_EQ(EasyOcrScore({}), 0);
}

TEST(RecognizerBatchTest, WidthsAreFew) {
  EXPECT_EQ(PaddedWidth(1), 320);
  EXPECT_EQ(PaddedWidth(320), 320);
  EXPECT_EQ(PaddedWidth(321), 480);
  EXPECT_EQ(PaddedWidth(100000), 2560);
}

TEST(TextSimilarityTest, EditDistanceOverTheLongerOne) {
  EXPECT_EQ(Similarity(U"", U""), 1);
  EXPECT_EQ(Similarity(U"abc", U""), 0);
  EXPECT_NEAR(Similarity(U"kitten", U"sitting"), 1 - 3 / 7.0, 1e-12);
  EXPECT_EQ(CommonRun(U"BREAKING", U"EAKING N"), 6U);
  EXPECT_EQ(Comparable("Crème Brûlée"), U"crèmebrûlée");
  // Malformed bytes count, and do no harm.
  EXPECT_THAT(CodePoints("a\xC3"), SizeIs(2));
  EXPECT_THAT(CodePoints("\xFF\xE2\x82"), SizeIs(3));
  EXPECT_EQ(CodePoints("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(CodePoints("€😀"), U"€😀");
}

FrameText SomeText() {
  FrameText frame{.width_px = 540, .height_px = 960};
  frame.text.skipped_regions = 3;
  frame.text.readings.push_back({{Point{1, 2}, {3, 4}, {5, 6}, {7, 8}}, "Crème €", 0.75F});
  frame.text.readings.push_back({{}, "b", 0.5F});
  return frame;
}

TEST(TextPayloadTest, GoesThereAndBack) {
  const auto decoded = DecodeFrameText(EncodeFrameText(SomeText()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->width_px, 540);
  EXPECT_EQ(decoded->text.skipped_regions, 3);
  ASSERT_THAT(decoded->text.readings, SizeIs(2));
  EXPECT_EQ(decoded->text.readings[0].text, "Crème €");
  EXPECT_EQ(decoded->text.readings[0].score, 0.75F);
  EXPECT_EQ(decoded->text.readings[0].quad[3].y, 8);
}

TEST(TextPayloadTest, MalformedPayloadsAreErrors) {
  const std::string payload = EncodeFrameText(SomeText());
  for (size_t length = 0; length < payload.size(); ++length) {
    EXPECT_FALSE(DecodeFrameText(payload.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(DecodeFrameText(payload + "x").ok());
  FrameText odd = SomeText();
  odd.text.readings[0].score = std::nanf("");
  EXPECT_FALSE(DecodeFrameText(EncodeFrameText(odd)).ok());
  odd.text.readings[0] = {{Point{1, std::numeric_limits<float>::infinity()}}, "x", 1};
  EXPECT_FALSE(DecodeFrameText(EncodeFrameText(odd)).ok());
}

}  // namespace
}  // namespace reelsight::text_overlay
