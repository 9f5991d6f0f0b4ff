// SPDX-License-Identifier: Apache-2.0
#include "shared/base/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace reelsight {
namespace {

constexpr char kReasonUrl[] = "reelsight/reason";
constexpr char kMetadataPrefix[] = "reelsight/metadata/";
constexpr char kRetryDelayUrl[] = "reelsight/retry_delay_us";

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

std::string Payload(const absl::Status& status, const std::string& url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "";
    case Reason::kInvalidField:
      return "INVALID_FIELD";
    case Reason::kInvalidMessage:
      return "INVALID_MESSAGE";
    case Reason::kUnknownAnalyzer:
      return "UNKNOWN_ANALYZER";
    case Reason::kRequestIdReused:
      return "REQUEST_ID_REUSED";
    case Reason::kServerBusy:
      return "SERVER_BUSY";
    case Reason::kServerDraining:
      return "SERVER_DRAINING";
    case Reason::kCancelled:
      return "CANCELLED";
    case Reason::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case Reason::kSourceNotFound:
      return "SOURCE_NOT_FOUND";
    case Reason::kSourceForbidden:
      return "SOURCE_FORBIDDEN";
    case Reason::kSourceUnreachable:
      return "SOURCE_UNREACHABLE";
    case Reason::kSourceTooSlow:
      return "SOURCE_TOO_SLOW";
    case Reason::kSourceTooLarge:
      return "SOURCE_TOO_LARGE";
    case Reason::kSourceNotVideo:
      return "SOURCE_NOT_VIDEO";
    case Reason::kSourceIsWebPage:
      return "SOURCE_IS_WEB_PAGE";
    case Reason::kSourceEmpty:
      return "SOURCE_EMPTY";
    case Reason::kSourceTruncated:
      return "SOURCE_TRUNCATED";
    case Reason::kUnsupportedCodec:
      return "UNSUPPORTED_CODEC";
    case Reason::kVideoTooLarge:
      return "VIDEO_TOO_LARGE";
    case Reason::kVideoTooLong:
      return "VIDEO_TOO_LONG";
    case Reason::kDecodeFailed:
      return "DECODE_FAILED";
    case Reason::kUploadHashMismatch:
      return "UPLOAD_HASH_MISMATCH";
    case Reason::kUploadOffsetMismatch:
      return "UPLOAD_OFFSET_MISMATCH";
    case Reason::kUploadQuota:
      return "UPLOAD_QUOTA";
    case Reason::kUploadTooSlow:
      return "UPLOAD_TOO_SLOW";
    case Reason::kUploadIncomplete:
      return "UPLOAD_INCOMPLETE";
    case Reason::kUploadBusy:
      return "UPLOAD_BUSY";
    case Reason::kAnalyzerUnavailable:
      return "ANALYZER_UNAVAILABLE";
    case Reason::kDependencyFailed:
      return "DEPENDENCY_FAILED";
    case Reason::kRetryBudgetSpent:
      return "RETRY_BUDGET_SPENT";
    case Reason::kQueueFull:
      return "QUEUE_FULL";
    case Reason::kMessageTooLarge:
      return "MESSAGE_TOO_LARGE";
    case Reason::kBadFrame:
      return "BAD_FRAME";
    case Reason::kWeightsMissing:
      return "WEIGHTS_MISSING";
    case Reason::kModelCorrupt:
      return "MODEL_CORRUPT";
    case Reason::kModelTooLarge:
      return "MODEL_TOO_LARGE";
    case Reason::kInvalidModelOutput:
      return "INVALID_MODEL_OUTPUT";
    case Reason::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case Reason::kInternal:
      return "INTERNAL";
  }
  return "";
}

absl::Status MakeError(absl::StatusCode code, Reason reason, std::string_view message) {
  return WithReason(absl::Status(code, ToAbsl(message)), reason);
}

absl::Status WithReason(absl::Status status, Reason reason) {
  return WithReasonName(std::move(status), ReasonName(reason));
}

absl::Status WithReasonName(absl::Status status, std::string_view reason) {
  if (!status.ok() && !reason.empty()) status.SetPayload(kReasonUrl, absl::Cord(ToAbsl(reason)));
  return status;
}

std::string GetReason(const absl::Status& status) { return Payload(status, kReasonUrl); }

absl::Status WithMetadata(absl::Status status, std::string_view key, std::string_view value) {
  if (!status.ok()) status.SetPayload(absl::StrCat(kMetadataPrefix, ToAbsl(key)), absl::Cord(ToAbsl(value)));
  return status;
}

std::string GetMetadata(const absl::Status& status, std::string_view key) {
  return Payload(status, absl::StrCat(kMetadataPrefix, ToAbsl(key)));
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  if (!status.ok()) {
    status.SetPayload(kRetryDelayUrl, absl::Cord(absl::StrCat(absl::ToInt64Microseconds(delay))));
  }
  return status;
}

absl::Duration GetRetryDelay(const absl::Status& status) {
  int64_t delay_us = 0;
  return absl::SimpleAtoi(Payload(status, kRetryDelayUrl), &delay_us) ? absl::Microseconds(delay_us)
                                                                      : absl::ZeroDuration();
}

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(ToAbsl(prefix), ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { annotated.SetPayload(url, payload); });
  return annotated;
}

absl::Status InvalidArgument(Reason reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status InvalidField(std::string_view field, std::string_view what) {
  return WithMetadata(InvalidArgument(Reason::kInvalidField, absl::StrCat(ToAbsl(field), ": ", ToAbsl(what))), "field",
                      field);
}

absl::Status OutOfMemory(std::string_view what) {
  return MakeError(
      absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
      absl::StrCat(ToAbsl(what), ": not enough memory; try again when less is running, or give the server more"));
}

}  // namespace reelsight
