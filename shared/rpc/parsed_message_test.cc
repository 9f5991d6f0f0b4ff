// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/parsed_message.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

// In pieces, as it comes from the network.
grpc::ByteBuffer Buffer(const std::string& bytes, size_t piece = 3) {
  std::vector<grpc::Slice> slices;
  for (size_t i = 0; i < bytes.size(); i += piece) slices.emplace_back(bytes.substr(i, piece));
  return {slices.data(), slices.size()};
}

absl::Status Parse(const std::string& bytes) {
  v1::AnalyzeRequest request;
  grpc::ByteBuffer buffer = Buffer(bytes);
  return ParseMessage(buffer, request);
}

// `text` as the field `number`.
std::string Field(int number, const std::string& text) {
  std::string bytes;
  for (const size_t value : {static_cast<size_t>(number) << 3 | 2, text.size()}) {
    size_t rest = value;
    for (; rest >= 128; rest >>= 7) bytes.push_back(static_cast<char>(rest | 128));
    bytes.push_back(static_cast<char>(rest));
  }
  return bytes + text;
}

// A google.protobuf.Value with so many lists around nothing.
std::string Lists(int depth) {
  std::string value;
  for (int i = 0; i < depth; ++i) value = Field(6, Field(1, value));
  return value;
}

// The value as an option of a custom analyzer.
std::string Custom(const std::string& key, const std::string& value) {
  const std::string fields = Field(1, Field(1, "option") + Field(2, value));
  return Field(v1::AnalyzeRequest::kOptionsFieldNumber,
               Field(v1::AnalyzerOptions::kCustomFieldNumber, Field(1, key) + Field(2, fields)));
}

TEST(ParsedMessageTest, AGoodMessageIsParsed) {
  v1::AnalyzeRequest request;
  request.set_request_id("id");
  request.set_content(std::string(10'000, '\xff'));
  *request.add_analyzers() = "cut_analysis";
  ParsedMessage<v1::AnalyzeRequest> parsed;
  grpc::ByteBuffer buffer = Buffer(request.SerializeAsString(), 999);
  EXPECT_TRUE(grpc::SerializationTraits<ParsedMessage<v1::AnalyzeRequest>>::Deserialize(&buffer, &parsed).ok());
  EXPECT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.message.SerializeAsString(), request.SerializeAsString());
  EXPECT_TRUE(Parse("").ok());
  EXPECT_TRUE(Parse(Custom("mine", Lists(30))).ok());
}

TEST(ParsedMessageTest, TextThatIsNotUtf8IsNamed) {
  const auto field = [](const std::string& bytes) {
    const absl::Status status = Parse(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetReason(status), "INVALID_FIELD");
    return GetMetadata(status, "field");
  };
  EXPECT_EQ(field(Field(v1::AnalyzeRequest::kRequestIdFieldNumber, "\xff")), "request_id");
  EXPECT_EQ(field(Field(v1::AnalyzeRequest::kContentFieldNumber, "\xff") +
                  Field(v1::AnalyzeRequest::kAnalyzersFieldNumber, "a") +
                  Field(v1::AnalyzeRequest::kAnalyzersFieldNumber, "\xc3")),
            "analyzers");
  EXPECT_EQ(field(Custom("\x80", "")), "options.custom.key");
  EXPECT_EQ(field(Custom("mine", Field(3, "\xed\xa0\x80"))), "options.custom.value.fields.value.string_value");
}

TEST(ParsedMessageTest, AMessageThatIsNestedTooDeepIsToldSo) {
  for (const int depth : {100, 20'000}) {
    const absl::Status status = Parse(Custom("mine", Lists(depth)));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetReason(status), "INVALID_MESSAGE");
    EXPECT_EQ(GetMetadata(status, "max_depth"), "100");
    EXPECT_EQ(GetMetadata(status, "field"), "options.custom.value.fields.value.list_value...");
  }
  // Groups of a field that nobody knows.
  const absl::Status groups = Parse(std::string(50'000, '\x7b'));
  EXPECT_EQ(GetMetadata(groups, "max_depth"), "100") << groups;
}

TEST(ParsedMessageTest, WhatIsNoMessageIsToldSo) {
  const std::string good = Custom("mine", Lists(3));
  std::vector<std::string> all = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                  std::string(1, '\0'),
                                  "\x7b",
                                  "\x7c",
                                  "\x0a\xff\xff\xff\xff\x0f",
                                  "\x07",
                                  Field(6, "\x0a\x7f")};
  for (size_t size = 1; size < good.size(); ++size) all.push_back(good.substr(0, size));
  for (const std::string& bytes : all) {
    const absl::Status status = Parse(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetReason(status), "INVALID_MESSAGE");
    EXPECT_NE(status.message().find("no reelsight.v1.AnalyzeRequest"), absl::string_view::npos) << status;
  }
}

}  // namespace
}  // namespace reelsight::rpc
