// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/analysis_plan.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnalyzer;

// cut <- scene <- color (optional); lonely needs what nobody offers.
std::vector<EndpointSnapshot> Endpoints() {
  EndpointSnapshot light{.name = "light", .description = {}, .status = {}};
  const auto add = [&](const char* name, const char* needs, bool optional) {
    analyzer::v1::AnalyzerDescription& d = *light.description.add_analyzers();
    d = FakeAnalyzer::Description(name, 1, 8);
    if (*needs != 0) {
      d.add_depends_on()->set_analyzer(needs);
      d.mutable_depends_on(0)->set_optional(optional);
    }
    return &d;
  };
  add("color_analysis", "scene_segmentation", true);
  add("cut_analysis", "", false)->set_options_type("reelsight.v1.CutAnalysisOptions");
  add("lonely", "nowhere", false);
  add("scene_segmentation", "cut_analysis", false);
  analyzer::v1::AnalyzerDescription* off = add("off", "", false);
  off->set_available(false);
  off->set_unavailable_reason("pull its weights");
  return {light};
}

v1::AnalyzeRequest Request(std::vector<std::string> names) {
  v1::AnalyzeRequest request;
  request.set_uri("x");
  for (const std::string& name : names) request.add_analyzers(name);
  return request;
}

std::vector<std::string> Names(const AnalysisPlan& plan) {
  std::vector<std::string> names;
  for (const PlannedAnalyzer& analyzer : plan.analyzers) {
    names.push_back(analyzer.description.name() + (analyzer.requested ? "" : "?"));
  }
  return names;
}

TEST(AnalysisPlanTest, DependenciesComeFirstAndStayUnasked) {
  const auto plan = MakePlan(Request({"color_analysis", "cut_analysis"}), Endpoints());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Names(*plan), ElementsAre("cut_analysis", "scene_segmentation?", "color_analysis"));
  EXPECT_THAT(plan->answer_order, ElementsAre(2, 0));
}

TEST(AnalysisPlanTest, EmptyMeansAllThatAreAvailable) {
  const auto plan = MakePlan(Request({}), Endpoints());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->answer_order.size(), 4u);
  EXPECT_THAT(plan->left_out, ElementsAre("off"));
  EXPECT_THAT(MakePlan(Request({"lonely"}), Endpoints())->left_out, ElementsAre());
}

TEST(AnalysisPlanTest, WithOptionsAnUnavailableAnalyzerAnswersForItself) {
  for (const auto& names : {std::vector<std::string>{}, {"off"}}) {
    v1::AnalyzeRequest request = Request(names);
    (*request.mutable_options()->mutable_custom())["off"];
    const auto plan = MakePlan(request, Endpoints());
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_THAT(plan->left_out, ElementsAre());
    const auto off = std::find_if(plan->analyzers.begin(), plan->analyzers.end(),
                                  [](const PlannedAnalyzer& analyzer) { return analyzer.description.name() == "off"; });
    ASSERT_NE(off, plan->analyzers.end());
    EXPECT_TRUE(off->status.ok()) << off->status;
  }
  // Typed ones too; those of another analyzer do not count.
  auto endpoints = Endpoints();
  endpoints[0].description.mutable_analyzers(1)->set_available(false);
  v1::AnalyzeRequest request = Request({"cut_analysis", "off"});
  request.mutable_options()->mutable_cut_analysis()->set_model("mine");
  const auto plan = MakePlan(request, endpoints);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->analyzers[0].status.ok()) << plan->analyzers[0].status;
  EXPECT_EQ(plan->analyzers[1].status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(AnalysisPlanTest, UnavailableAndLonelyAnalyzersCarryTheirStatus) {
  const auto plan = MakePlan(Request({"off", "lonely"}), Endpoints());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->analyzers[0].status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(plan->analyzers[0].status.message()), ::testing::HasSubstr("pull its weights"));
  EXPECT_EQ(GetMetadata(plan->analyzers[1].status, "dependency"), "nowhere");
}

TEST(AnalysisPlanTest, WhereNoServiceHasAnsweredYetTryingAgainMakesSense) {
  const std::vector<EndpointSnapshot> silent = {
      {.name = "light", .description = {}, .status = absl::UnavailableError("not there")}};
  for (const auto& request : {Request({}), Request({"cut_analysis"})}) {
    const absl::Status status = MakePlan(request, silent).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(GetReason(status), "ANALYZER_UNAVAILABLE");
    EXPECT_GT(GetRetryDelay(status), absl::ZeroDuration());
  }
  EndpointSnapshot empty{.name = "light", .description = {}, .status = {}};
  EXPECT_EQ(MakePlan(Request({}), {empty}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(AnalysisPlanTest, UnknownNames) {
  EXPECT_EQ(GetReason(MakePlan(Request({"typo"}), Endpoints()).status()), "UNKNOWN_ANALYZER");
  auto endpoints = Endpoints();
  endpoints.push_back({.name = "down", .description = {}, .status = absl::UnavailableError("refused")});
  EXPECT_EQ(MakePlan(Request({"typo"}), endpoints).status().code(), absl::StatusCode::kUnavailable);
}

TEST(AnalysisPlanTest, OptionsReachTheirAnalyzerAndNoOther) {
  v1::AnalyzeRequest request = Request({"cut_analysis"});
  request.mutable_options()->mutable_cut_analysis()->set_sensitivity(0.25);
  (*request.mutable_sample_fps())["cut_analysis"] = 6;
  const auto plan = MakePlan(request, Endpoints());
  ASSERT_TRUE(plan.ok());
  v1::CutAnalysisOptions options;
  ASSERT_TRUE(plan->analyzers[0].options.UnpackTo(&options));
  EXPECT_EQ(options.sensitivity(), 0.25);
  EXPECT_EQ(plan->analyzers[0].RuleFor(30, v1::AnalyzeRequest::ACCURATE).sample_fps, 6);

  request.mutable_options()->mutable_color_analysis()->set_max_colors(3);
  EXPECT_EQ(GetMetadata(MakePlan(request, Endpoints()).status(), "field"), "options.color_analysis");
  v1::AnalyzeRequest custom = Request({"cut_analysis"});
  (*custom.mutable_options()->mutable_custom())["cut_analysis"];
  EXPECT_EQ(GetMetadata(MakePlan(custom, Endpoints()).status(), "field"), "options.custom[\"cut_analysis\"]");
  v1::AnalyzeRequest fps = Request({"cut_analysis"});
  (*fps.mutable_sample_fps())["color_analysis"] = 6;
  EXPECT_EQ(GetMetadata(MakePlan(fps, Endpoints()).status(), "field"), "sample_fps[\"color_analysis\"]");
}

TEST(AnalysisPlanTest, ACycleEnds) {
  auto endpoints = Endpoints();
  endpoints[0].description.mutable_analyzers(1)->add_depends_on()->set_analyzer("color_analysis");
  EXPECT_TRUE(MakePlan(Request({"color_analysis"}), endpoints).ok());
}

}  // namespace
}  // namespace reelsight::orchestrator
