// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/cut_analyzer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/lightweight/cut_analysis/fake_transnet.h"
#include "services/lightweight/cut_analysis/made_shots.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/analyzer_driver.h"

namespace reelsight::cut_analysis {
namespace {

using testing::AnalyzerDriver;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::CutAnalysisOptions;
using v1::CutAnalysisResult;

constexpr absl::Duration kInterval = absl::Milliseconds(40);

class CutAnalyzerTest : public ::testing::Test {
 protected:
  CutAnalysisResult Result(const analyzer::v1::SummarizeRequest& request) {
    const auto response = driver_.Summarize(request);
    EXPECT_TRUE(response.ok()) << response.status();
    CutAnalysisResult result;
    EXPECT_TRUE(response.ok() && response->typed().UnpackTo(&result));
    return result;
  }

  // Transitions as "kind first-end", in frames.
  std::vector<std::string> Found(const Pictures& pictures) { return Names(Result(driver_.MakeRequest(pictures))); }

  static std::vector<std::string> Names(const CutAnalysisResult& result) {
    std::vector<std::string> names;
    for (const CutAnalysisResult::Transition& transition : result.transitions()) {
      names.push_back(absl::StrCat(CutAnalysisResult::Transition::Kind_Name(transition.kind()), " ",
                                   analysis::FromProto(transition.start_offset()) / kInterval, "-",
                                   analysis::FromProto(transition.end_offset()) / kInterval));
    }
    return names;
  }

  AnalyzerDriver driver_{MakeCutAnalyzer(), kInterval};
};

TEST_F(CutAnalyzerTest, HardCutsAreExactToTheFrame) {
  Pictures pictures;
  AppendShot(pictures, 1, 30);
  AppendShot(pictures, 2, 17);
  AppendShot(pictures, 3, 25, 2);
  const CutAnalysisResult result = Result(driver_.MakeRequest(pictures));
  EXPECT_THAT(Names(result), ElementsAre("HARD_CUT 30-30", "HARD_CUT 47-47"));
  ASSERT_EQ(result.shots_size(), 3);
  EXPECT_EQ(analysis::FromProto(result.shots(0).start_offset()), absl::ZeroDuration());
  EXPECT_EQ(analysis::FromProto(result.shots(1).start_offset()), 30 * kInterval);
  EXPECT_EQ(analysis::FromProto(result.shots(2).end_offset()), 72 * kInterval);
  EXPECT_EQ(result.method(), CutAnalysisOptions::CLASSICAL);
}

TEST_F(CutAnalyzerTest, DissolveHasStartAndEnd) {
  Pictures pictures;
  AppendShot(pictures, 1, 30, 0);
  AppendBlend(pictures, Texture(1), Texture(2), 14);
  AppendShot(pictures, 2, 30, 0);
  EXPECT_THAT(Found(pictures), ElementsAre("DISSOLVE 30-44"));
}

TEST_F(CutAnalyzerTest, FadesThroughBlackAreOneBoundary) {
  Pictures pictures;
  AppendShot(pictures, 1, 30, 0);
  AppendBlend(pictures, Texture(1), Blank(16), 9);
  for (int i = 0; i < 5; ++i) pictures.push_back(ToImage(Blank(16)));
  AppendBlend(pictures, Blank(16), Texture(2), 9);
  AppendShot(pictures, 2, 30, 0);
  const CutAnalysisResult result = Result(driver_.MakeRequest(pictures));
  EXPECT_THAT(Names(result), ElementsAre("FADE_OUT 30-39", "FADE_IN 44-53"));
  EXPECT_EQ(result.shots_size(), 2);
}

TEST_F(CutAnalyzerTest, WhatHappensWithinAShotIsNoTransition) {
  Pictures flash;
  AppendShot(flash, 1, 30);
  flash[15] = ToImage(Brightened(Texture(1, 7.5), 90));
  flash[16] = ToImage(Brightened(Texture(1, 8), 60));
  EXPECT_THAT(Found(flash), IsEmpty()) << "flash";

  Pictures pan;
  AppendShot(pan, 1, 40, 9);
  EXPECT_THAT(Found(pan), IsEmpty()) << "fast pan";

  Pictures shake;
  for (int i = 0; i < 40; ++i) shake.push_back(ToImage(Texture(1, (i * 7) % 11 - 5, (i * 5) % 7 - 3)));
  EXPECT_THAT(Found(shake), IsEmpty()) << "handheld shake";

  Pictures caption;
  for (int i = 0; i < 40; ++i) {
    const Canvas picture = Texture(1, i * 0.5);
    caption.push_back(ToImage(i >= 12 && i < 28 ? Captioned(picture) : picture));
  }
  EXPECT_THAT(Found(caption), IsEmpty()) << "text pop-up";

  Pictures exposure;
  for (int i = 0; i < 40; ++i) exposure.push_back(ToImage(Brightened(Texture(1), i < 10 ? 0 : 2.0F * (i - 10))));
  EXPECT_THAT(Found(exposure), IsEmpty()) << "exposure";
}

TEST_F(CutAnalyzerTest, BatchingDoesNotMatter) {
  Pictures pictures;
  AppendShot(pictures, 1, 30, 0);
  AppendBlend(pictures, Texture(1), Texture(2), 14);
  AppendShot(pictures, 2, 40, 0);
  AppendShot(pictures, 3, 40, 3);
  const auto whole = driver_.Summarize(driver_.MakeRequest(pictures));
  ASSERT_TRUE(whole.ok()) << whole.status();
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const auto batches = AnalyzerDriver::ShuffledBatches(static_cast<int64_t>(pictures.size()), seed);
    const auto split = driver_.Summarize(driver_.MakeRequest(pictures, batches));
    ASSERT_TRUE(split.ok()) << split.status();
    EXPECT_EQ(split->SerializeAsString(), whole->SerializeAsString()) << seed;
  }
}

TEST_F(CutAnalyzerTest, OptionsAreHeeded) {
  Pictures pictures;
  AppendShot(pictures, 1, 30, 0);
  AppendBlend(pictures, Texture(1), Texture(2), 14);
  AppendShot(pictures, 2, 30, 0);
  AppendShot(pictures, 3, 4, 0);
  AppendShot(pictures, 4, 30, 0);
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest(pictures);
  EXPECT_EQ(Result(request).shots_size(), 4);
  CutAnalysisOptions options;
  options.mutable_min_shot()->set_seconds(1);
  request.mutable_options()->PackFrom(options);
  EXPECT_EQ(Result(request).shots_size(), 3);
  options.Clear();
  options.set_hard_cuts_only(true);
  request.mutable_options()->PackFrom(options);
  EXPECT_THAT(Names(Result(request)), ElementsAre("HARD_CUT 74-74", "HARD_CUT 78-78"));
  options.Clear();
  options.set_method(CutAnalysisOptions::NEURAL);
  request.mutable_options()->PackFrom(options);
  EXPECT_EQ(driver_.Summarize(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CutAnalyzerTest, SegmentsAreLookedAtOneByOne) {
  Pictures pictures;
  AppendShot(pictures, 1, 30);
  AppendShot(pictures, 2, 30);
  AppendShot(pictures, 3, 30);
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest(pictures);
  // The second segment begins where the second cut is, so that only the first cut is inside of one.
  *request.mutable_segments(0)->mutable_end_offset() = analysis::ToProto(40 * kInterval);
  analyzer::v1::Segment& second = *request.add_segments();
  *second.mutable_start_offset() = analysis::ToProto(60 * kInterval);
  *second.mutable_end_offset() = analysis::ToProto(90 * kInterval);
  const CutAnalysisResult result = Result(request);
  EXPECT_THAT(Names(result), ElementsAre("HARD_CUT 30-30"));
  ASSERT_EQ(result.shots_size(), 3);
  EXPECT_EQ(analysis::FromProto(result.shots(2).start_offset()), 60 * kInterval);
}

TEST_F(CutAnalyzerTest, OneFrameIsOneShot) {
  Pictures pictures;
  AppendShot(pictures, 1, 1);
  const CutAnalysisResult result = Result(driver_.MakeRequest(pictures));
  EXPECT_EQ(result.shots_size(), 1);
  EXPECT_EQ(result.pace().cuts_per_minute(), 0);
}

TEST_F(CutAnalyzerTest, BadInputIsRefused) {
  Pictures pictures;
  AppendShot(pictures, 1, 10);
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest(pictures);
  analyzer::v1::SummarizeRequest broken = request;
  broken.mutable_results(4)->set_payload("not a record");
  EXPECT_EQ(driver_.Summarize(broken).status().code(), absl::StatusCode::kInvalidArgument);
  broken = request;
  broken.clear_segments();
  EXPECT_THAT(std::string(driver_.Summarize(broken).status().message()), HasSubstr("segments"));
  CancelToken cancelled;
  cancelled.Cancel(absl::CancelledError("gone"));
  EXPECT_EQ(driver_.Summarize(request, cancelled).status().code(), absl::StatusCode::kCancelled);
}

class NeuralCutAnalyzerTest : public CutAnalyzerTest {
 protected:
  NeuralCutAnalyzerTest() {
    AppendShot(pictures_, 1, 30);
    AppendShot(pictures_, 2, 70, 0);
    AppendShot(pictures_, 3, 25, 2);
  }
  static void SetOptions(analyzer::v1::SummarizeRequest& request, CutAnalysisOptions::Method method,
                         const std::string& model = "") {
    CutAnalysisOptions options;
    options.set_method(method);
    options.set_model(model);
    request.mutable_options()->PackFrom(options);
  }
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request) {
    return neural_.Summarize(request);
  }

  FakeTransNet network_;
  AnalyzerDriver neural_{MakeCutAnalyzer(&network_), kInterval};
  Pictures pictures_;
};

TEST_F(NeuralCutAnalyzerTest, IsTheDefaultWhereItsWeightsAre) {
  const auto response = Summarize(neural_.MakeRequest(pictures_));
  ASSERT_TRUE(response.ok()) << response.status();
  CutAnalysisResult result;
  ASSERT_TRUE(response->typed().UnpackTo(&result));
  EXPECT_EQ(result.method(), CutAnalysisOptions::NEURAL);
  EXPECT_THAT(Names(result), ElementsAre("HARD_CUT 30-30", "HARD_CUT 100-100"));
  EXPECT_EQ(response->model().name(), "transnetv2");
  EXPECT_EQ(response->models_size(), 1);
  EXPECT_EQ(response->cache_hits() + response->cache_misses(), 1);
  EXPECT_EQ(response->warning(), "");
  EXPECT_EQ(network_.runs(), 3);
}

TEST_F(NeuralCutAnalyzerTest, OnTheCpuBesideAGpuItSaysSo) {
  network_.beside_gpu = true;
  const std::string told = "model transnetv2 runs on the CPU, not on cuda:0, whose engine cannot run it";
  EXPECT_EQ(MakeCutAnalyzer(&network_)->Describe().unavailable_reason(), told);
  const auto response = Summarize(neural_.MakeRequest(pictures_));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->warning(), told);
  EXPECT_EQ(response->model().device(), "cpu");
}

TEST_F(NeuralCutAnalyzerTest, BatchingDoesNotMatter) {
  const auto whole = Summarize(neural_.MakeRequest(pictures_));
  ASSERT_TRUE(whole.ok()) << whole.status();
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    const auto batches = AnalyzerDriver::ShuffledBatches(static_cast<int64_t>(pictures_.size()), seed);
    const auto split = Summarize(neural_.MakeRequest(pictures_, batches));
    ASSERT_TRUE(split.ok()) << split.status();
    EXPECT_EQ(split->SerializeAsString(), whole->SerializeAsString()) << seed;
  }
}

TEST_F(NeuralCutAnalyzerTest, WithoutWeightsTheClassicalOneServesWithAWarning) {
  network_.installed = false;
  analyzer::v1::SummarizeRequest request = neural_.MakeRequest(pictures_);
  const auto response = Summarize(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->model().name(), "classical");
  EXPECT_THAT(response->warning(), HasSubstr("reelsight models pull transnetv2"));
  SetOptions(request, CutAnalysisOptions::CLASSICAL);
  EXPECT_EQ(Summarize(request)->warning(), "");
  SetOptions(request, CutAnalysisOptions::NEURAL);
  EXPECT_EQ(Summarize(request).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Summarize(request).status().message()), HasSubstr("reelsight models pull transnetv2"));
}

TEST_F(NeuralCutAnalyzerTest, AFrameWithoutThumbnailMakesItClassical) {
  analyzer::v1::SummarizeRequest request = neural_.MakeRequest(pictures_);
  network_.installed = false;
  *request.mutable_results(7) = neural_.MakeRequest(pictures_).results(7);
  network_.installed = true;
  EXPECT_THAT(Summarize(request)->warning(), HasSubstr("replica"));
  SetOptions(request, CutAnalysisOptions::NEURAL);
  EXPECT_EQ(Summarize(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(NeuralCutAnalyzerTest, AFailureOfTheNetworkIsNoFailureUnlessItWasAskedFor) {
  analyzer::v1::SummarizeRequest request = neural_.MakeRequest(pictures_);
  network_.failure = absl::InternalError("outputs hold a NaN");
  EXPECT_THAT(Summarize(request)->warning(), HasSubstr("outputs hold a NaN"));
  SetOptions(request, CutAnalysisOptions::NEURAL);
  EXPECT_EQ(Summarize(request).status(), network_.failure);
}

TEST_F(NeuralCutAnalyzerTest, LongVideosAndSparseSamplesAreForTheClassicalOne) {
  analyzer::v1::SummarizeRequest request = neural_.MakeRequest(pictures_);
  request.set_sample_fps(6);
  EXPECT_EQ(Summarize(request)->model().name(), "classical");
  EXPECT_EQ(Summarize(request)->warning(), "");
  request.set_sample_fps(0);
  request.mutable_video()->mutable_duration()->set_seconds(601);
  request.mutable_video()->set_frame_rate(30);
  EXPECT_EQ(Summarize(request)->model().name(), "classical");
  EXPECT_THAT(Summarize(request)->warning(), HasSubstr("18000 frames"));
  SetOptions(request, CutAnalysisOptions::NEURAL);
  EXPECT_EQ(Summarize(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(NeuralCutAnalyzerTest, AnotherModelMayBeNamed) {
  analyzer::v1::SummarizeRequest request = neural_.MakeRequest(pictures_);
  SetOptions(request, CutAnalysisOptions::NEURAL, "transnetv2");
  EXPECT_TRUE(Summarize(request).ok());
  for (const char* const name : {"other", "unknown"}) {
    SetOptions(request, CutAnalysisOptions::NEURAL, name);
    EXPECT_EQ(Summarize(request).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace reelsight::cut_analysis
