// SPDX-License-Identifier: Apache-2.0
//
// Both readers on installed models against what RapidOCR and EasyOCR themselves found: testdata/make_golden.py.
#include "services/detection/text_overlay/text_reader.h"

#include <fstream>
#include <map>
#include <opencv2/imgproc.hpp>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/detection/text_overlay/craft_crnn_reader.h"
#include "services/detection/text_overlay/pp_ocr_reader.h"
#include "services/detection/text_overlay/test_pictures.h"
#include "shared/testing/test_models.h"

namespace reelsight::text_overlay {
namespace {

using Golden = std::map<std::string, std::vector<Reading>>;

Golden LoadGolden(const std::string& name) {
  Golden golden;
  std::ifstream file(DataPath(name));
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string picture;
    Reading reading;
    std::getline(fields, picture, '\t');
    fields >> reading.score;
    for (Point& corner : reading.quad) fields >> corner.x >> corner.y;
    fields.ignore(1);
    std::getline(fields, reading.text);
    golden[picture].push_back(reading);
  }
  EXPECT_FALSE(golden.empty()) << name;
  return golden;
}

double PolygonIoU(const Quad& a, const Quad& b) {
  std::vector<cv::Point2f> first, second, shared;
  for (const Point& corner : a) first.emplace_back(corner.x, corner.y);
  for (const Point& corner : b) second.emplace_back(corner.x, corner.y);
  const double both = cv::intersectConvexConvex(first, second, shared);
  return both / (cv::contourArea(first) + cv::contourArea(second) - both);
}

const std::vector<std::string>& PpOcrNames() {
  static const auto& names =
      *new std::vector<std::string>{"ppocr_v6_det_small", "ppocr_v2_cls_mobile", "ppocr_v6_rec_small"};
  return names;
}

class TextReaderTest : public ::testing::Test {
 protected:
  // Skip the test with the status unless it is OK.
  absl::Status Open(const std::vector<std::string>& names) {
    auto models = testing::OpenInstalledModels(names, {.half_precision = false});
    if (models.ok()) models_ = *std::move(models);
    return models.status();
  }
  inference::PinnedModel Model(const std::string& name) {
    auto model = models_->runtime().Acquire(name, CancelToken());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  std::unique_ptr<TextReader> PpOcr() {
    auto reader = MakePpOcrReader(Model(PpOcrNames()[0]), Model(PpOcrNames()[1]), Model(PpOcrNames()[2]));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }

  // Every golden line over `min_score` is read letter by letter, and nothing else over it is.
  static void ExpectGolden(const TextReader& reader, const std::string& file, float min_score, double min_iou,
                           float max_score_error) {
    Golden golden = LoadGolden(file);
    for (const std::string name : {"captions", "turned", "scripts", "no_text"}) {
      SCOPED_TRACE(name);
      const auto image = LoadJpeg(name);
      const analysis::Image* const picture = image.get();
      const auto texts = reader.Read("test", {&picture, 1}, CancelToken());
      ASSERT_TRUE(texts.ok()) << texts.status();
      std::vector<Reading> readings = (*texts)[0].readings, expected = golden[name];
      std::erase_if(readings, [&](const Reading& reading) { return reading.score < min_score; });
      std::erase_if(expected, [&](const Reading& reading) { return reading.score < min_score; });
      EXPECT_EQ(readings.size(), expected.size());
      for (const Reading& line : expected) {
        const auto match = std::max_element(readings.begin(), readings.end(), [&](const auto& a, const auto& b) {
          return PolygonIoU(a.quad, line.quad) < PolygonIoU(b.quad, line.quad);
        });
        ASSERT_NE(match, readings.end());
        EXPECT_GE(PolygonIoU(match->quad, line.quad), min_iou) << line.text;
        EXPECT_EQ(match->text, line.text);
        EXPECT_NEAR(match->score, line.score, max_score_error) << line.text;
      }
    }
  }

  std::unique_ptr<testing::TestModels> models_;
};

TEST_F(TextReaderTest, PpOcrReadsWhatRapidOcrReads) {
  if (const absl::Status status = Open(PpOcrNames()); !status.ok()) GTEST_SKIP() << status.message();
  const std::unique_ptr<TextReader> reader = PpOcr();
  // RapidOCR pads a line to the widest of its batch, which moves the confidence a little.
  ExpectGolden(*reader, "rapidocr.tsv", 0.5F, 0.9, 0.05F);
}

TEST_F(TextReaderTest, PpOcrQuadsStartAtTheTextsOwnTopLeft) {
  if (const absl::Status status = Open(PpOcrNames()); !status.ok()) GTEST_SKIP() << status.message();
  const std::unique_ptr<TextReader> reader = PpOcr();
  const auto image = LoadJpeg("turned");
  const analysis::Image* const picture = image.get();
  const auto texts = reader->Read("test", {&picture, 1}, CancelToken());
  ASSERT_TRUE(texts.ok()) << texts.status();
  std::map<std::string, Quad> quads;
  for (const Reading& reading : (*texts)[0].readings) quads[reading.text] = reading.quad;
  // Read from bottom to top: its own top left is at the bottom left.
  const Quad& wall = quads.at("UP THE WALL");
  EXPECT_GT(wall[0].y, wall[1].y);
  EXPECT_LT(wall[0].x, wall[3].x);
  // On its head: its own top left is at the bottom right.
  const Quad& handstand = quads.at("HANDSTAND");
  EXPECT_GT(handstand[0].x, handstand[1].x);
  EXPECT_GT(handstand[0].y, handstand[3].y);
}

TEST_F(TextReaderTest, CraftAndCrnnReadWhatEasyOcrReads) {
  if (const absl::Status status = Open({"craft", "crnn"}); !status.ok()) GTEST_SKIP() << status.message();
  const auto reader = MakeCraftCrnnReader(Model("craft"), Model("crnn"));
  ASSERT_TRUE(reader.ok()) << reader.status();
  ExpectGolden(**reader, "easyocr.tsv", 0.2F, 0.9, 0.05F);
}

}  // namespace
}  // namespace reelsight::text_overlay
