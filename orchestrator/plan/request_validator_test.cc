// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/request_validator.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

v1::AnalyzeRequest Parse(const std::string& text) {
  v1::AnalyzeRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("uri: 'file:///a.mp4' " + text, &request)) << text;
  return request;
}

std::string BadField(const v1::AnalyzeRequest& request) {
  const absl::Status status = ValidateRequest(request);
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetReason(status), "INVALID_FIELD");
  return GetMetadata(status, "field");
}

TEST(RequestValidatorTest, NamesTheFieldThatIsOutOfBounds) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"options { cut_analysis { sensitivity: 1 } }", ""},
      {"options { cut_analysis { sensitivity: 1.01 } }", "options.cut_analysis.sensitivity"},
      {"options { cut_analysis { sensitivity: -0.1 } }", "options.cut_analysis.sensitivity"},
      {"options { cut_analysis { sensitivity: nan } }", "options.cut_analysis.sensitivity"},
      {"options { cut_analysis { method: 77 } }", "options.cut_analysis.method"},
      {"options { cut_analysis { min_shot { seconds: 11 } } }", "options.cut_analysis.min_shot"},
      {"options { cut_analysis { min_shot { seconds: 1 nanos: -5 } } }", "options.cut_analysis.min_shot"},
      {"options { color_analysis { max_colors: 0 } }", "options.color_analysis.max_colors"},
      {"options { color_analysis { max_colors: 17 } }", "options.color_analysis.max_colors"},
      {"sample_fps { key: 'cut_analysis' value: 6 }", ""},
      {"sample_fps { key: 'cut_analysis' value: 0 }", "sample_fps[\"cut_analysis\"]"},
      {"sample_fps { key: 'cut_analysis' value: inf }", "sample_fps[\"cut_analysis\"]"},
      {"sampling_profile: 9", "sampling_profile"},
      {"analyzers: 'a' analyzers: 'a'", "analyzers[1]"},
      {"analyzers: ''", "analyzers[0]"},
      {"segments { start_offset { seconds: 1 } end_offset { seconds: 2 } }", ""},
      {"segments { start_offset { seconds: 2 } end_offset { seconds: 1 } }", "segments[0].end_offset"},
      {"segments { start_offset { seconds: -1 } end_offset { seconds: 1 } }", "segments[0].start_offset"},
      {"segments { end_offset { seconds: 2 } } segments { start_offset { seconds: 1 } end_offset { seconds: 3 } }",
       "segments[1].start_offset"},
      {"segments { end_offset { seconds: 999999999999 } }", "segments[0].end_offset"},
  };
  for (const auto& [text, field] : rows) EXPECT_EQ(BadField(Parse(text)), field) << text;
}

TEST(RequestValidatorTest, ChecksSizesAndTheSource) {
  v1::AnalyzeRequest request = Parse("");
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(BadField(request), "request_id");
  EXPECT_EQ(BadField(v1::AnalyzeRequest()), "source");
  v1::AnalyzeRequest empty_uri;
  empty_uri.set_uri("");
  EXPECT_EQ(BadField(empty_uri), "uri");
  for (int i = 0; i < 65; ++i) request.add_analyzers(std::string(1, 'a') + std::to_string(i));
  request.clear_request_id();
  EXPECT_EQ(BadField(request), "analyzers");
}

TEST(RequestValidatorTest, BoundsAreInclusiveAndSaidInWords) {
  const auto message = [](const std::string& text) { return std::string(ValidateRequest(Parse(text)).message()); };
  for (const char* const inside :
       {"options { cut_analysis { sensitivity: 0.001 } }", "sample_fps { key: 'a' value: 240 }",
        "options { color_analysis { max_colors: 1 } }", "options { color_analysis { max_colors: 16 } }",
        "options { cut_analysis { min_shot { seconds: 10 } } }"}) {
    EXPECT_EQ(message(inside), "") << inside;
  }
  EXPECT_EQ(message("options { color_analysis { max_colors: 17 } }"),
            "options.color_analysis.max_colors: is 17, must be in [1, 16]");
  EXPECT_EQ(message("options { cut_analysis { method: 77 } }").find("options.cut_analysis.method: is 77, which "), 0u);
}

TEST(RequestValidatorTest, SizesAreInclusive) {
  v1::AnalyzeRequest request = Parse("");
  request.set_request_id(std::string(128, 'x'));
  for (int i = 0; i < 64; ++i) request.add_analyzers(absl::StrCat("a", i));
  EXPECT_EQ(BadField(request), "");
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(ValidateRequest(request).message(), "request_id: has 129 bytes, must have at most 128");
  request.set_request_id("x");
  request.add_analyzers("one more");
  EXPECT_EQ(ValidateRequest(request).message(), "analyzers: has 65 elements, must have at most 64");
  request = {};
  request.set_uri("");
  EXPECT_EQ(ValidateRequest(request).message(), "uri: has 0 bytes, must have at least 1");
}

TEST(RequestValidatorTest, DurationsAreThoseOfTheWellKnownType) {
  const auto bad = [](int64_t seconds, int32_t nanos) {
    v1::AnalyzeRequest request = Parse("");
    auto& end = *request.add_segments()->mutable_end_offset();
    end.set_seconds(seconds);
    end.set_nanos(nanos);
    return BadField(request);
  };
  EXPECT_EQ(bad(315'576'000'000, 0), "");
  EXPECT_EQ(bad(315'576'000'001, 0), "segments[0].end_offset");
  EXPECT_EQ(bad(0, 1), "");
  EXPECT_EQ(bad(1, 999'999'999), "");
  EXPECT_EQ(bad(1, 1'000'000'000), "segments[0].end_offset");
  for (const auto& [seconds, nanos] : {std::pair{1, -1}, {-1, 1}}) {
    v1::AnalyzeRequest request = Parse("");
    auto& end = *request.add_segments()->mutable_end_offset();
    end.set_seconds(seconds);
    end.set_nanos(nanos);
    EXPECT_EQ(ValidateRequest(request).message(), "segments[0].end_offset: is not a valid duration");
  }
  // Valid, but negative.
  v1::AnalyzeRequest request = Parse("segments { start_offset { seconds: -1 nanos: -1 } end_offset { seconds: 1 } }");
  EXPECT_EQ(ValidateRequest(request).message(), "segments[0].start_offset: must not be negative");
  request = Parse("segments { start_offset { nanos: -1 } end_offset { seconds: 1 } }");
  EXPECT_EQ(BadField(request), "segments[0].start_offset");
}

TEST(RequestValidatorTest, SegmentsMayTouchButNotBeEmptyOrOverlap) {
  EXPECT_EQ(BadField(Parse("segments { end_offset { seconds: 2 } } "
                           "segments { start_offset { seconds: 2 } end_offset { seconds: 3 } } "
                           "segments { start_offset { seconds: 3 nanos: 1 } end_offset { seconds: 4 } }")),
            "");
  EXPECT_EQ(ValidateRequest(Parse("segments { start_offset { seconds: 2 } end_offset { seconds: 2 } }")).message(),
            "segments[0].end_offset: is 2s, must be after start_offset, which is 2s");
  EXPECT_EQ(BadField(Parse("segments { end_offset { seconds: 2 } } "
                           "segments { start_offset { seconds: 2 } end_offset { seconds: 3 } } "
                           "segments { start_offset { seconds: 2 nanos: 999999999 } end_offset { seconds: 4 } }")),
            "segments[2].start_offset");
  // In another order, without overlap.
  EXPECT_EQ(BadField(Parse("segments { start_offset { seconds: 5 } end_offset { seconds: 6 } } "
                           "segments { start_offset { seconds: 1 } end_offset { seconds: 2 } }")),
            "segments[1].start_offset");
}

TEST(RequestValidatorTest, EachElementOfEachFieldIsLookedAt) {
  EXPECT_EQ(BadField(Parse("analyzers: 'a' analyzers: 'b' analyzers: ''")), "analyzers[2]");
  EXPECT_EQ(ValidateRequest(Parse("analyzers: 'a' analyzers: 'b' analyzers: 'a'")).message(),
            "analyzers[2]: a is there twice");
  EXPECT_EQ(BadField(Parse("sample_fps { key: 'a' value: 6 } sample_fps { key: 'b' value: 0 }")), "sample_fps[\"b\"]");
  EXPECT_EQ(BadField(Parse("options { cut_analysis { sensitivity: 0.5 } color_analysis { max_colors: 17 } }")),
            "options.color_analysis.max_colors");
  EXPECT_EQ(BadField(Parse("segments { end_offset { seconds: 1 } } "
                           "segments { start_offset { seconds: 1 } end_offset { seconds: 999999999999 } }")),
            "segments[1].end_offset");
}

TEST(RequestValidatorTest, MessagesOfOthersAreNotWalked) {
  // As deep as a caller likes: it has no rules.
  v1::AnalyzeRequest request = Parse("");
  google::protobuf::Struct* at = &(*request.mutable_options()->mutable_custom())["mine"];
  for (int i = 0; i < 40; ++i) at = (*at->mutable_fields())["deeper"].mutable_struct_value();
  EXPECT_EQ(BadField(request), "");
}

}  // namespace
}  // namespace reelsight::orchestrator
