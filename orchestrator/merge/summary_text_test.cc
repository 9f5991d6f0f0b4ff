// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/summary_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace reelsight::orchestrator
