// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/request_validator.h"

#include <limits>

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

}  // namespace
}  // namespace reelsight::orchestrator
