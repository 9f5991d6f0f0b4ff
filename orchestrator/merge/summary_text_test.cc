// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/summary_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::orchestrator {
namespace {

TEST(SummaryTextTest, AFailureIsToldInsteadOfAHeadline) {
  v1::AnalyzeResponse response;
  v1::AnalyzerResult& result = *response.add_results();
  result.set_analyzer("x");
  result.mutable_status()->set_code(v1::AnalyzerStatus::UNAVAILABLE);
  result.mutable_status()->set_message("peer gone");
  EXPECT_THAT(MakeSummaryText(response, {}), ::testing::HasSubstr("x: UNAVAILABLE, peer gone"));
}

TEST(SummaryTextTest, TheSummaryTellsThePartAnalysed) {
  v1::AnalyzeResponse response;
  response.mutable_video()->mutable_duration()->set_seconds(10);
  v1::Timeline::Scene& scene = *response.mutable_timeline()->add_scenes();
  scene.mutable_start_offset()->set_seconds(2);
  scene.mutable_end_offset()->set_seconds(5);
  EXPECT_THAT(MakeSummaryText(response, {}), ::testing::StartsWith("3.0 s analysed of 10.0 s of "));
  scene.mutable_start_offset()->set_seconds(0);
  scene.mutable_end_offset()->set_seconds(10);
  EXPECT_THAT(MakeSummaryText(response, {}), ::testing::StartsWith("10.0 s of "));
  EXPECT_THAT(MakeSummaryText(response, {"body_pose", "text_overlay"}),
              ::testing::EndsWith("\nleft out, not available (ListAnalyzers tells why): body_pose, text_overlay"));
}

TEST(SummaryTextTest, ASummaryIsTheVideoThenAHeadlineOrAFailureOfEach) {
  v1::AnalyzeResponse response;
  v1::VideoInfo& video = *response.mutable_video();
  video.mutable_duration()->set_seconds(10);
  video.mutable_duration()->set_nanos(260'000'000);
  video.set_width_px(320);
  video.set_height_px(240);
  video.set_codec("h264");
  video.set_frame_rate(29.97);
  for (const char* const headline : {"3 shots", "", "2 scenes"}) {
    v1::AnalyzerResult& result = *response.add_results();
    result.set_analyzer(std::string("after ") + headline);
    result.set_headline(headline);
  }
  v1::AnalyzerResult& failed = *response.add_results();
  failed.set_analyzer("poses");
  failed.mutable_status()->set_code(v1::AnalyzerStatus::NOT_FOUND);
  failed.mutable_status()->set_message("no weights");
  failed.set_headline("old news");
  EXPECT_EQ(MakeSummaryText(response, {}),
            "10.3 s of 320x240 h264 at 29.97 frames a second.\nafter 3 shots: 3 shots\nafter 2 scenes: 2 scenes\n"
            "poses: NOT_FOUND, no weights");
}

TEST(SummaryTextTest, LengthsThatDifferByLittleAreTheSame) {
  v1::AnalyzeResponse response;
  response.mutable_video()->mutable_duration()->set_seconds(10);
  const auto begins_with_part = [&](int64_t first_ms, int64_t second_ms) {
    response.mutable_timeline()->clear_scenes();
    for (const int64_t ms : {first_ms, second_ms}) {
      v1::Timeline::Scene& scene = *response.mutable_timeline()->add_scenes();
      scene.mutable_start_offset()->set_seconds(1);
      *scene.mutable_end_offset() = analysis::ToProto(absl::Seconds(1) + absl::Milliseconds(ms));
    }
    return MakeSummaryText(response, {}).find("analysed of") != std::string::npos;
  };
  EXPECT_TRUE(begins_with_part(5000, 4949));
  EXPECT_FALSE(begins_with_part(5000, 4950));
  EXPECT_FALSE(begins_with_part(5000, 5000));
  EXPECT_TRUE(begins_with_part(1, 0));
  // Nothing, as where there is no timeline.
  EXPECT_FALSE(begins_with_part(0, 0));
}

}  // namespace
}  // namespace reelsight::orchestrator
