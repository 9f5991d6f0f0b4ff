// SPDX-License-Identifier: Apache-2.0
#include "cli/analyze_options.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(const AnalyzeFlags& flags) {
  const auto request = MakeRequest(flags);
  EXPECT_FALSE(request.ok());
  return std::string(request.status().message());
}

TEST(MakeRequestTest, NoFlagsGiveAnEmptyRequest) { EXPECT_EQ(MakeRequest({})->ByteSizeLong(), 0); }

TEST(MakeRequestTest, TakesEveryFlag) {
  const auto request = MakeRequest({.analyzers = {"cut_analysis", "color_analysis"},
                                    .fps = {"color_analysis=4", "custom=0.5"},
                                    .options = {"cut_analysis.sensitivity=0.7"},
                                    .start = "0:01",
                                    .end = "2.5",
                                    .profile = "reference",
                                    .request_id = "r"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->analyzers(), ::testing::ElementsAre("cut_analysis", "color_analysis"));
  EXPECT_EQ(request->sample_fps().at("color_analysis"), 4);
  EXPECT_EQ(request->sample_fps().at("custom"), 0.5);
  EXPECT_FLOAT_EQ(request->options().cut_analysis().sensitivity(), 0.7f);
  ASSERT_EQ(request->segments_size(), 1);
  EXPECT_EQ(request->segments(0).start_offset().seconds(), 1);
  EXPECT_EQ(request->segments(0).end_offset().nanos(), 500'000'000);
  EXPECT_EQ(request->sampling_profile(), v1::AnalyzeRequest::REFERENCE);
  EXPECT_EQ(request->request_id(), "r");
}

TEST(MakeRequestTest, OneEndOfTheSpanIsEnough) {
  EXPECT_EQ(MakeRequest({.end = "5"})->segments(0).start_offset().seconds(), 0);
  EXPECT_EQ(MakeRequest({.start = "5"})->segments(0).end_offset().seconds(), 86400);
}

TEST(MakeRequestTest, NamesTheFlagThatIsWrong) {
  EXPECT_THAT(MessageOf({.start = "x"}), HasSubstr("--start"));
  EXPECT_THAT(MessageOf({.start = "5", .end = "5"}), HasSubstr("--end"));
  EXPECT_THAT(MessageOf({.fps = {"color_analysis"}}), HasSubstr("--fps"));
  EXPECT_THAT(MessageOf({.fps = {"a=0"}}), HasSubstr("--fps"));
  EXPECT_THAT(MessageOf({.fps = {"a=nan"}}), HasSubstr("--fps"));
  EXPECT_THAT(MessageOf({.fps = {"a=1", "a=2"}}), HasSubstr("twice"));
  EXPECT_THAT(MessageOf({.analyzers = {"a", "a"}}), HasSubstr("twice"));
  EXPECT_THAT(MessageOf({.analyzers = {""}}), HasSubstr("--analyzers"));
  EXPECT_THAT(MessageOf({.profile = "best"}), HasSubstr("--profile"));
}

TEST(MakeRequestTest, BlanksAroundNamesDoNotCount) {
  EXPECT_THAT(MakeRequest({.analyzers = {"a", " b "}})->analyzers(), ::testing::ElementsAre("a", "b"));
  EXPECT_THAT(MessageOf({.analyzers = {"a", " a"}}), HasSubstr("twice"));
}

TEST(CheckServerAddressTest, WantsHostAndPort) {
  for (const char* good : {"localhost:7010", "10.0.0.1:1", "[::1]:65535", "gpu-box.example:7010", "unix:/run/x"}) {
    EXPECT_TRUE(CheckServerAddress(good).ok()) << good;
  }
  for (const char* bad : {"", "localhost", ":7010", "localhost:", "localhost:0", "localhost:99999", "localhost:http",
                          "::1:7010", "http://localhost:7010", "localhost:7010/"}) {
    EXPECT_THAT(std::string(CheckServerAddress(bad).message()), HasSubstr("--server")) << bad;
  }
}

TEST(AsUsageErrorTest, NamesTheFlagAndTheNearestAnalyzer) {
  const auto unknown = WithMetadata(InvalidArgument(Reason::kUnknownAnalyzer,
                                                    "analyzers: no analyzer is called `cut_analyis`; there are "
                                                    "color_analysis, cut_analysis"),
                                    "field", "analyzers");
  const std::string message(AsUsageError(unknown, {"color_analysis", "cut_analyis"}).message());
  EXPECT_THAT(message, ::testing::StartsWith("--analyzers: no analyzer is called `cut_analyis`"));
  EXPECT_THAT(message, ::testing::EndsWith("did you mean `cut_analysis`?"));
  EXPECT_THAT(std::string(AsUsageError(InvalidField("sample_fps[\"x\"]", "is 0"), {}).message()),
              ::testing::StartsWith("--fps: sample_fps"));
  EXPECT_THAT(std::string(AsUsageError(InvalidField("options.cut_analysis.sensitivity", "is 7"), {}).message()),
              ::testing::StartsWith("--option: "));
}

TEST(AsUsageErrorTest, AFaultOfTheVideoIsNone) {
  EXPECT_TRUE(AsUsageError(InvalidField("segments[0].start_offset", "lies behind the end"), {}).ok());
  EXPECT_TRUE(AsUsageError(InvalidArgument(Reason::kSourceNotVideo, "x"), {}).ok());
  EXPECT_TRUE(AsUsageError(absl::OkStatus(), {}).ok());
}

TEST(SetOptionTest, TakesEachKindOfValue) {
  v1::AnalyzerOptions options;
  ASSERT_TRUE(SetOption("cut_analysis.method=classical", options).ok());
  ASSERT_TRUE(SetOption("cut_analysis.hard_cuts_only=true", options).ok());
  ASSERT_TRUE(SetOption("cut_analysis.min_shot=500ms", options).ok());
  ASSERT_TRUE(SetOption("color_analysis.max_colors=8", options).ok());
  EXPECT_EQ(options.cut_analysis().method(), v1::CutAnalysisOptions::CLASSICAL);
  EXPECT_TRUE(options.cut_analysis().hard_cuts_only());
  EXPECT_EQ(options.cut_analysis().min_shot().nanos(), 500'000'000);
  EXPECT_EQ(options.color_analysis().max_colors(), 8);
}

TEST(SetOptionTest, OtherAnalyzersAreCustom) {
  v1::AnalyzerOptions options;
  ASSERT_TRUE(SetOption("my_analyzer.level=3", options).ok());
  ASSERT_TRUE(SetOption("my_analyzer.word=hello there", options).ok());
  ASSERT_TRUE(SetOption("my_analyzer.list=[1, true]", options).ok());
  const auto& fields = options.custom().at("my_analyzer").fields();
  EXPECT_EQ(fields.at("level").number_value(), 3);
  EXPECT_EQ(fields.at("word").string_value(), "hello there");
  EXPECT_EQ(fields.at("list").list_value().values_size(), 2);
}

TEST(SetOptionTest, SaysWhatIsWrong) {
  v1::AnalyzerOptions options;
  const auto message = [&](const std::string& text) {
    const absl::Status status = SetOption(text, options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  };
  EXPECT_THAT(message("cut_analysis"), HasSubstr("analyzer.field=value"));
  EXPECT_THAT(message("cut_analysis.=1"), HasSubstr("analyzer.field=value"));
  EXPECT_THAT(message(".x=1"), HasSubstr("analyzer.field=value"));
  EXPECT_THAT(message("cut_analysis.sensitivty=1"), HasSubstr("did you mean `sensitivity`"));
  EXPECT_THAT(message("cut_analysis.wholly_other=1"), HasSubstr("it has method, sensitivity"));
  EXPECT_THAT(message("cut_analysis.sensitivity=high"), HasSubstr("a number"));
  EXPECT_THAT(message("cut_analysis.method=magic"), HasSubstr("classical, neural"));
  EXPECT_THAT(message("cut_analysis.method=method_unspecified"), HasSubstr("none of"));
  EXPECT_THAT(message("cut_analysis.min_shot=soon"), HasSubstr("a time"));
  EXPECT_THAT(message("color_analysis.max_colors=2.5"), HasSubstr("whole number"));
}

TEST(IsUriTest, KnowsTheSchemes) {
  EXPECT_TRUE(IsUri("https://example.com/a.mp4"));
  EXPECT_TRUE(IsUri("S3://bucket/a"));
  EXPECT_TRUE(IsUri("file:///a.mp4"));
  EXPECT_FALSE(IsUri("a.mp4"));
  EXPECT_FALSE(IsUri("/video:1.mp4"));
}

TEST(NearestWordTest, OnlySlipsOfTheFingers) {
  EXPECT_EQ(NearestWord("--formt", {"--output", "--format"}), "--format");
  EXPECT_EQ(NearestWord("analyse", {"analyze", "serve"}), "analyze");
  EXPECT_EQ(NearestWord("xyz", {"analyze", "serve"}), "");
}

}  // namespace
}  // namespace reelsight::cli
