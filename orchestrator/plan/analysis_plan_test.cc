// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/analysis_plan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
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

TEST(AnalysisPlanTest, TheFirstServiceThatOffersANameRunsIt) {
  auto endpoints = Endpoints();
  endpoints.push_back(endpoints[0]);
  endpoints[1].description.mutable_analyzers(1)->set_name("only_here");
  const auto plan = MakePlan(Request({"scene_segmentation", "only_here"}), endpoints);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Names(*plan), ElementsAre("cut_analysis?", "scene_segmentation", "only_here"));
  EXPECT_EQ(plan->analyzers[0].endpoint, 0);
  EXPECT_EQ(plan->analyzers[1].endpoint, 0);
  EXPECT_EQ(plan->analyzers[2].endpoint, 1);
  EXPECT_EQ(plan->analyzers[0].spec.max_side_px, 32);
}

TEST(AnalysisPlanTest, WhatCannotBePlannedSaysWhy) {
  EXPECT_EQ(MakePlan(Request({"typo"}), Endpoints()).status().message(),
            "analyzers: no analyzer is called `typo`; there are color_analysis, cut_analysis, lonely, off, "
            "scene_segmentation");
  EXPECT_EQ(GetMetadata(MakePlan(Request({"typo"}), Endpoints()).status(), "field"), "analyzers");
  auto endpoints = Endpoints();
  endpoints.push_back({.name = "down", .description = {}, .status = absl::UnavailableError("refused")});
  EXPECT_EQ(MakePlan(Request({"typo"}), endpoints).status().message(),
            "analyzer typo is not known, and service down, which may offer it, does not answer: refused");
  EXPECT_EQ(MakePlan(Request({}), {endpoints[1]}).status().message(),
            "no analyzer is available, because service down does not answer: refused");
  // One that has answered before, or that has nothing to offer, leaves no hope.
  endpoints = Endpoints();
  endpoints[0].status = absl::UnavailableError("down for now");
  EXPECT_EQ(GetReason(MakePlan(Request({"typo"}), endpoints).status()), "UNKNOWN_ANALYZER");
  EXPECT_TRUE(MakePlan(Request({"cut_analysis"}), endpoints).ok());
  for (auto& analyzer : *endpoints[0].description.mutable_analyzers()) analyzer.set_available(false);
  EXPECT_EQ(MakePlan(Request({}), endpoints).status().message(), "no analyzer is available; ListAnalyzers tells why");
  EXPECT_EQ(GetReason(MakePlan(Request({}), endpoints).status()), "ANALYZER_UNAVAILABLE");
  const absl::Duration delay = GetRetryDelay(
      MakePlan(Request({}), {{.name = "x", .description = {}, .status = absl::UnavailableError("")}}).status());
  EXPECT_EQ(delay, absl::Seconds(2));
}

TEST(AnalysisPlanTest, StatusesNameTheAnalyzerAndWhatItLacks) {
  const auto plan = MakePlan(Request({"off", "lonely", "color_analysis"}), Endpoints());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->analyzers[0].status.message(), "off: pull its weights");
  EXPECT_EQ(GetReason(plan->analyzers[0].status), "ANALYZER_UNAVAILABLE");
  EXPECT_EQ(plan->analyzers[1].status.message(), "lonely builds on nowhere, which no service offers");
  EXPECT_EQ(GetReason(plan->analyzers[1].status), "DEPENDENCY_FAILED");
  EXPECT_TRUE(plan->analyzers[4].status.ok());
  // One that it could do without is no lack; of two reasons the first stays.
  auto endpoints = Endpoints();
  endpoints[0].description.mutable_analyzers(2)->mutable_depends_on(0)->set_optional(true);
  EXPECT_TRUE(MakePlan(Request({"lonely"}), endpoints)->analyzers[0].status.ok());
  endpoints = Endpoints();
  endpoints[0].description.mutable_analyzers(2)->set_available(false);
  EXPECT_EQ(GetReason(MakePlan(Request({"lonely"}), endpoints)->analyzers[0].status), "ANALYZER_UNAVAILABLE");
  // All that it builds on is planned, not only the first.
  endpoints = Endpoints();
  endpoints[0].description.mutable_analyzers(2)->mutable_depends_on(0)->set_optional(true);
  endpoints[0].description.mutable_analyzers(2)->add_depends_on()->set_analyzer("cut_analysis");
  EXPECT_THAT(Names(*MakePlan(Request({"lonely"}), endpoints)), ElementsAre("cut_analysis?", "lonely"));
}

TEST(AnalysisPlanTest, AWrongFrameSpecIsTheServicesBug) {
  auto endpoints = Endpoints();
  endpoints[0].description.mutable_analyzers(1)->mutable_frame_spec()->set_format(
      analyzer::v1::PIXEL_FORMAT_UNSPECIFIED);
  const absl::Status status = MakePlan(Request({"scene_segmentation"}), endpoints).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), ::testing::StartsWith("analyzer cut_analysis describes itself wrongly: "));
}

TEST(AnalysisPlanTest, CustomOptionsReachAnalyzersWithoutTypedOnes) {
  v1::AnalyzeRequest request = Request({"scene_segmentation", "off"});
  auto& custom = *request.mutable_options()->mutable_custom();
  (*custom["off"].mutable_fields())["depth"].set_number_value(3);
  const auto plan = MakePlan(request, Endpoints());
  ASSERT_TRUE(plan.ok()) << plan.status();
  google::protobuf::Struct options;
  ASSERT_TRUE(plan->analyzers[2].options.UnpackTo(&options));
  EXPECT_EQ(options.fields().at("depth").number_value(), 3);
  EXPECT_EQ(plan->analyzers[1].options.type_url(), "");
  custom["typo"];
  EXPECT_EQ(MakePlan(request, Endpoints()).status().message(),
            "options.custom[\"typo\"]: is set, but this analyzer does not run");
  v1::AnalyzeRequest typed = Request({"cut_analysis"});
  (*typed.mutable_options()->mutable_custom())["cut_analysis"];
  EXPECT_EQ(MakePlan(typed, Endpoints()).status().message(),
            "options.custom[\"cut_analysis\"]: is set, but this analyzer has typed options: set "
            "options.cut_analysis");
}

TEST(AnalysisPlanTest, ARateThatIsAskedForGoesBeforeTheProfiles) {
  auto endpoints = Endpoints();
  auto& sampling = *endpoints[0].description.mutable_analyzers(1)->mutable_sampling();
  sampling.set_sample_fps(3);
  sampling.set_reference_min_interval(10);
  v1::AnalyzeRequest request = Request({"cut_analysis"});
  const PlannedAnalyzer usual = MakePlan(request, endpoints)->analyzers[0];
  EXPECT_EQ(usual.RuleFor(5, v1::AnalyzeRequest::ACCURATE).sample_fps, 3);
  EXPECT_EQ(usual.RuleFor(5, v1::AnalyzeRequest::REFERENCE).interval_frames, 10);
  (*request.mutable_sample_fps())["cut_analysis"] = 0.25;
  const PlannedAnalyzer asked = MakePlan(request, endpoints)->analyzers[0];
  for (const auto profile : {v1::AnalyzeRequest::ACCURATE, v1::AnalyzeRequest::REFERENCE}) {
    EXPECT_EQ(asked.RuleFor(5, profile).sample_fps, 0.25);
    EXPECT_EQ(asked.RuleFor(5, profile).interval_frames, 0);
  }
}

}  // namespace
}  // namespace reelsight::orchestrator
