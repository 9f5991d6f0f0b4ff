// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/status.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

TEST(StatusTest, EverythingComesBack) {
  absl::Status status = MakeError(absl::StatusCode::kResourceExhausted, Reason::kQueueFull, "no room");
  status = WithRetryDelay(WithMetadata(status, "service", "lightweight"), absl::Milliseconds(1250));
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(status));
  EXPECT_EQ(back.code(), status.code());
  EXPECT_EQ(back.message(), "no room");
  EXPECT_EQ(GetReason(back), "QUEUE_FULL");
  EXPECT_EQ(GetMetadata(back, "service"), "lightweight");
  EXPECT_EQ(GetRetryDelay(back), absl::Milliseconds(1250));
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus())).ok());
}

TEST(StatusTest, DetailsAreTheStandardMessages) {
  const grpc::Status status = ToGrpcStatus(InvalidField("segments[0].start_offset", "lies behind its end"));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  bool has_info = false, has_bad_request = false;
  for (const google::protobuf::Any& detail : details.details()) {
    has_info = has_info || detail.UnpackTo(&info);
    has_bad_request = has_bad_request || detail.UnpackTo(&bad_request);
  }
  ASSERT_TRUE(has_info && has_bad_request);
  EXPECT_EQ(info.domain(), kErrorDomain);
  EXPECT_EQ(info.reason(), "INVALID_FIELD");
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "segments[0].start_offset");
}

TEST(StatusTest, APeerWithoutDetailsGivesCodeAndMessage) {
  const absl::Status status = FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "gone");
  const absl::Status broken = FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "x", "no message of ours"));
  EXPECT_EQ(broken.code(), absl::StatusCode::kAborted);
}

TEST(StatusTest, TextThatIsNotUtf8DoesNotSpoilTheDetails) {
  const absl::Status bad =
      WithMetadata(MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound, "no file \xFF"), "file", "\xFE");
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(bad));
  EXPECT_EQ(back.message(), "no file ?");
  EXPECT_EQ(GetReason(back), "SOURCE_NOT_FOUND");
  EXPECT_EQ(GetMetadata(back, "file"), "?");
}

TEST(StatusTest, ALongMessageIsCut) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError(std::string(1 << 20, 'x')));
  EXPECT_LE(status.error_message().size(), 4200u);
  EXPECT_LE(status.error_details().size(), 6000u);
}

}  // namespace
}  // namespace reelsight::rpc
