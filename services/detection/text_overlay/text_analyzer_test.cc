// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_analyzer.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/text_overlay.pb.h"
#include "services/detection/text_overlay/test_pictures.h"
#include "services/detection/text_overlay/text_payload.h"
#include "services/detection/text_overlay/text_reader.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/analyzer_driver.h"
#include "shared/testing/test_models.h"

namespace reelsight::text_overlay {
namespace {

using testing::AnalyzerDriver;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using v1::TextOverlayOptions;
using v1::TextOverlayResult;

std::vector<std::string> Texts(const TextOverlayResult& result) {
  std::vector<std::string> texts;
  for (const TextOverlayResult::Event& event : result.events()) texts.push_back(event.text());
  return texts;
}

// A frame that says what it holds, without a network.
analyzer::v1::FrameResult FrameAt(absl::Duration offset, const PictureText& text) {
  analyzer::v1::FrameResult result;
  *result.mutable_offset() = analysis::ToProto(offset);
  result.set_payload(EncodeFrameText({540, 960, text}));
  return result;
}

PictureText Caption(const std::string& text) {
  return {{{{Point{100, 700}, {440, 700}, {440, 740}, {100, 740}}, text, 0.97F}}, 0};
}

class TextAnalyzerTest : public ::testing::Test {
 protected:
  TextAnalyzerTest() : models_(*testing::OpenInstalledModels({})), analyzer_(MakeTextAnalyzer(models_->runtime())) {}

  TextOverlayResult Summarize(const analyzer::v1::SummarizeRequest& request) {
    const auto response = analyzer_->Summarize(request, CancelToken());
    EXPECT_TRUE(response.ok()) << response.status();
    TextOverlayResult result;
    if (response.ok()) {
      headline_ = response->headline();
      warning_ = response->warning();
      EXPECT_TRUE(response->typed().UnpackTo(&result));
    }
    return result;
  }
  static void AddSegment(absl::Duration start, absl::Duration end, analyzer::v1::SummarizeRequest* request) {
    analyzer::v1::Segment& segment = *request->add_segments();
    *segment.mutable_start_offset() = analysis::ToProto(start);
    *segment.mutable_end_offset() = analysis::ToProto(end);
  }

  const std::unique_ptr<testing::TestModels> models_;
  const std::unique_ptr<analysis::Analyzer> analyzer_;
  std::string headline_;
  std::string warning_;
};

TEST_F(TextAnalyzerTest, NothingIsSaidToBeNoText) {
  analyzer::v1::SummarizeRequest request;
  EXPECT_EQ(Summarize(request).events_size(), 0);
  EXPECT_EQ(headline_, "no text");
  AddSegment(absl::ZeroDuration(), absl::Seconds(2), &request);
  *request.add_results() = FrameAt(absl::ZeroDuration(), {});
  EXPECT_EQ(Summarize(request).events_size(), 0);
  EXPECT_EQ(warning_, "");
}

TEST_F(TextAnalyzerTest, EventsEndWithTheirSegment) {
  analyzer::v1::SummarizeRequest request;
  AddSegment(absl::ZeroDuration(), absl::Milliseconds(1500), &request);
  AddSegment(absl::Milliseconds(1500), absl::Seconds(4), &request);
  for (int second = 0; second < 4; ++second)
    *request.add_results() = FrameAt(absl::Seconds(second), Caption("hello you"));
  const TextOverlayResult result = Summarize(request);
  EXPECT_THAT(Texts(result), ElementsAre("hello you", "hello you"));
  EXPECT_EQ(analysis::FromProto(result.events(0).end_offset()), absl::Milliseconds(1500));
  EXPECT_EQ(analysis::FromProto(result.events(1).start_offset()), absl::Seconds(2));
  EXPECT_EQ(analysis::FromProto(result.events(1).end_offset()), absl::Seconds(4));
  EXPECT_EQ(headline_, "2 texts: \"hello you\", \"hello you\"");
}

TEST_F(TextAnalyzerTest, ACrowdedFrameIsAWarning) {
  analyzer::v1::SummarizeRequest request;
  AddSegment(absl::ZeroDuration(), absl::Seconds(1), &request);
  PictureText crowded = Caption("hello you");
  crowded.skipped_regions = 7;
  *request.add_results() = FrameAt(absl::ZeroDuration(), crowded);
  EXPECT_EQ(Summarize(request).events_size(), 1);
  EXPECT_EQ(warning_, "1 frame holds more than 200 lines of text; the smallest were not read");
}

TEST_F(TextAnalyzerTest, ModelsOfOtherFamiliesAreRefused) {
  TextOverlayOptions options;
  options.set_recognizer_model("crnn");
  analyzer::v1::SummarizeRequest request;
  request.mutable_options()->PackFrom(options);
  const auto refused = analyzer_->Summarize(request, CancelToken());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("ppocr_rec"));
  options.set_engine(TextOverlayOptions::CRAFT_CRNN);
  request.mutable_options()->PackFrom(options);
  EXPECT_TRUE(analyzer_->Summarize(request, CancelToken()).ok());
}

TEST_F(TextAnalyzerTest, ReadsFramesWhateverTheirBatches) {
  const auto installed =
      testing::OpenInstalledModels({"ppocr_v6_det_small", "ppocr_v2_cls_mobile", "ppocr_v6_rec_small"});
  if (!installed.ok()) GTEST_SKIP() << installed.status().message();
  const auto captions = LoadJpeg("captions");
  auto blank = std::make_shared<analysis::Image>(analysis::PixelFormat::kRgb24, captions->size());
  std::fill_n(blank->mutable_plane(0), blank->bytes().size(), uint8_t{90});
  AnalyzerDriver driver(MakeTextAnalyzer((*installed)->runtime()), absl::Seconds(1));
  const AnalyzerDriver::Pictures pictures = {blank, captions, captions, blank};
  const auto together = driver.Summarize(driver.MakeRequest(pictures));
  const auto apart = driver.Summarize(driver.MakeRequest(pictures, {{2}, {0, 1}, {3}}));
  ASSERT_TRUE(together.ok()) << together.status();
  ASSERT_TRUE(apart.ok()) << apart.status();
  EXPECT_EQ(together->SerializeAsString(), apart->SerializeAsString());
  TextOverlayResult result;
  ASSERT_TRUE(together->typed().UnpackTo(&result));
  EXPECT_THAT(Texts(result), ElementsAre("@some.one_42", "Morning routine", "wake up at 6:30 am", "and drink 2 glasses",
                                         "5% off, T&Cs apply"));
  for (const TextOverlayResult::Event& event : result.events()) {
    EXPECT_EQ(analysis::FromProto(event.start_offset()), absl::Seconds(1));
    EXPECT_EQ(analysis::FromProto(event.end_offset()), absl::Seconds(3));
  }
  EXPECT_EQ(result.events(0).position(), TextOverlayResult::CORNER);
  EXPECT_EQ(result.events(1).position(), TextOverlayResult::TITLE);
  EXPECT_EQ(result.events(2).position(), TextOverlayResult::CAPTION);
}

}  // namespace
}  // namespace reelsight::text_overlay
