// SPDX-License-Identifier: Apache-2.0
#include "shared/base/status.h"

#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
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
  EXPECT_EQ(GetReason(status), "INVALID_FIELD");
  EXPECT_EQ(status.message(), "segments[1].start_offset: must not be negative");
}

TEST(StatusTest, OkStaysOk) {
  EXPECT_TRUE(WithReason(absl::OkStatus(), Reason::kInternal).ok());
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

TEST(StatusTest, NothingIsAttachedToOk) {
  EXPECT_EQ(GetReason(WithReason(absl::OkStatus(), Reason::kInternal)), "");
  EXPECT_EQ(GetMetadata(WithMetadata(absl::OkStatus(), "queue", "16"), "queue"), "");
  EXPECT_EQ(GetRetryDelay(WithRetryDelay(absl::OkStatus(), absl::Seconds(1))), absl::ZeroDuration());
}

TEST(StatusTest, WhatIsNotAttachedIsEmpty) {
  const absl::Status bare = absl::InternalError("bare");
  EXPECT_EQ(GetReason(bare), "");
  EXPECT_EQ(GetMetadata(bare, "queue"), "");
  EXPECT_EQ(GetRetryDelay(bare), absl::ZeroDuration());
  // No reason is none, also in a peer's words, and takes none away.
  EXPECT_EQ(WithReason(bare, Reason::kNone), bare);
  EXPECT_EQ(GetReason(WithReasonName(WithReason(bare, Reason::kBadFrame), "")), "BAD_FRAME");
}

TEST(StatusTest, AttachmentsDoNotMix) {
  absl::Status status = WithRetryDelay(WithReasonName(absl::InternalError("x"), "PEERS_OWN"), absl::Microseconds(7));
  for (const char* const key : {"a", "b", "reason", "retry_delay_us", "reelsight/reason", "reelsight/retry_delay_us"}) {
    status = WithMetadata(std::move(status), key, std::string("of ") + key);
  }
  EXPECT_EQ(GetReason(status), "PEERS_OWN");
  EXPECT_EQ(GetRetryDelay(status), absl::Microseconds(7));
  EXPECT_EQ(GetMetadata(status, "a"), "of a");
  EXPECT_EQ(GetMetadata(status, "b"), "of b");
  EXPECT_EQ(GetMetadata(status, "reason"), "of reason");
  // Where shared/rpc looks for them, to send them on.
  EXPECT_EQ(status.GetPayload("reelsight/metadata/a"), absl::Cord("of a"));
}

TEST(StatusTest, OutOfMemorySaysWhatCouldNotBeDone) {
  const absl::Status status = OutOfMemory("decoding");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(status), "OUT_OF_MEMORY");
  EXPECT_EQ(status.message(), "decoding: not enough memory; try again when less is running, or give the server more");
}

// Public, and so never changed.
TEST(StatusTest, ReasonsAreSpelledAsTheApiPromises) {
  const std::pair<Reason, const char*> spellings[] = {
      {Reason::kNone, ""},
      {Reason::kInvalidField, "INVALID_FIELD"},
      {Reason::kInvalidMessage, "INVALID_MESSAGE"},
      {Reason::kUnknownAnalyzer, "UNKNOWN_ANALYZER"},
      {Reason::kRequestIdReused, "REQUEST_ID_REUSED"},
      {Reason::kServerBusy, "SERVER_BUSY"},
      {Reason::kServerDraining, "SERVER_DRAINING"},
      {Reason::kCancelled, "CANCELLED"},
      {Reason::kDeadlineExceeded, "DEADLINE_EXCEEDED"},
      {Reason::kSourceNotFound, "SOURCE_NOT_FOUND"},
      {Reason::kSourceForbidden, "SOURCE_FORBIDDEN"},
      {Reason::kSourceUnreachable, "SOURCE_UNREACHABLE"},
      {Reason::kSourceTooSlow, "SOURCE_TOO_SLOW"},
      {Reason::kSourceTooLarge, "SOURCE_TOO_LARGE"},
      {Reason::kSourceNotVideo, "SOURCE_NOT_VIDEO"},
      {Reason::kSourceIsWebPage, "SOURCE_IS_WEB_PAGE"},
      {Reason::kSourceEmpty, "SOURCE_EMPTY"},
      {Reason::kSourceTruncated, "SOURCE_TRUNCATED"},
      {Reason::kUnsupportedCodec, "UNSUPPORTED_CODEC"},
      {Reason::kVideoTooLarge, "VIDEO_TOO_LARGE"},
      {Reason::kVideoTooLong, "VIDEO_TOO_LONG"},
      {Reason::kDecodeFailed, "DECODE_FAILED"},
      {Reason::kUploadHashMismatch, "UPLOAD_HASH_MISMATCH"},
      {Reason::kUploadOffsetMismatch, "UPLOAD_OFFSET_MISMATCH"},
      {Reason::kUploadQuota, "UPLOAD_QUOTA"},
      {Reason::kUploadTooSlow, "UPLOAD_TOO_SLOW"},
      {Reason::kUploadIncomplete, "UPLOAD_INCOMPLETE"},
      {Reason::kUploadBusy, "UPLOAD_BUSY"},
      {Reason::kAnalyzerUnavailable, "ANALYZER_UNAVAILABLE"},
      {Reason::kDependencyFailed, "DEPENDENCY_FAILED"},
      {Reason::kRetryBudgetSpent, "RETRY_BUDGET_SPENT"},
      {Reason::kQueueFull, "QUEUE_FULL"},
      {Reason::kMessageTooLarge, "MESSAGE_TOO_LARGE"},
      {Reason::kBadFrame, "BAD_FRAME"},
      {Reason::kWeightsMissing, "WEIGHTS_MISSING"},
      {Reason::kModelCorrupt, "MODEL_CORRUPT"},
      {Reason::kModelTooLarge, "MODEL_TOO_LARGE"},
      {Reason::kInvalidModelOutput, "INVALID_MODEL_OUTPUT"},
      {Reason::kOutOfMemory, "OUT_OF_MEMORY"},
      {Reason::kInternal, "INTERNAL"},
  };
  for (const auto& [reason, spelling] : spellings) EXPECT_EQ(ReasonName(reason), spelling);
  EXPECT_EQ(static_cast<int>(Reason::kInternal) + 1, static_cast<int>(std::size(spellings)));
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
