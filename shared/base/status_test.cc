// SPDX-License-Identifier: Apache-2.0
#include "shared/base/status.h"

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(StatusTest, CarriesReasonMetadataAndDelayThroughAnnotation) {
  absl::Status status = MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy, "full");
  status = WithMetadata(WithRetryDelay(status, absl::Milliseconds(1500)), "queue", "16");
  const absl::Status annotated = Annotate(status, "analyze");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(annotated.message(), "analyze: full");
  EXPECT_EQ(GetReason(annotated), "SERVER_BUSY");
  EXPECT_EQ(GetMetadata(annotated, "queue"), "16");
  EXPECT_EQ(GetRetryDelay(annotated), absl::Milliseconds(1500));
}

TEST(StatusTest, InvalidFieldNamesTheField) {
  const absl::Status status = InvalidField("segments[1].start_offset", "must not be negative");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetMetadata(status, "field"), "segments[1].start_offset");
  EXPECT_EQ(status.message(), "segments[1].start_offset: must not be negative");
}

TEST(StatusTest, OkStaysOk) {
  EXPECT_TRUE(WithReason(absl::OkStatus(), Reason::kInternal).ok());
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

TEST(StatusTest, AssignOrReturn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
}

}  // namespace
}  // namespace reelsight
