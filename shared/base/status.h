// SPDX-License-Identifier: Apache-2.0
//
// What absl::Status lacks in the distribution's version: macros, and a machine-readable reason carried as a payload.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace reelsight {

// Machine-readable reasons. Public: they travel in google.rpc.ErrorInfo and in AnalyzerStatus.reason.
enum class Reason {
  kNone,
  // Requests.
  kInvalidField,      // A field is missing or out of range; metadata `field` names it.
  kInvalidMessage,    // The bytes are no message of the API, or one that is nested too deep.
  kUnknownAnalyzer,   // No such analyzer is configured.
  kRequestIdReused,   // The request_id belongs to a run with another body.
  kServerBusy,        // Admission queue full; try again after the retry delay.
  kServerDraining,    // The server is about to stop; another replica will serve.
  kCancelled,         // The caller cancelled or went away.
  kDeadlineExceeded,  // The deadline passed.
  // Sources.
  kSourceNotFound,     // No such file, object, upload or host.
  kSourceForbidden,    // Outside the configured roots, a refused address or scheme, or access denied.
  kSourceUnreachable,  // Connection failed or broke; trying again may help.
  kSourceTooSlow,      // Its bytes come slower than the configured rate; trying again may help.
  kSourceTooLarge,     // Over the size limit.
  kSourceNotVideo,     // Not a media file, or one without a video stream.
  kSourceIsWebPage,    // An HTML page where a video was expected.
  kSourceEmpty,        // No bytes.
  kSourceTruncated,    // The file ends before its first frame could be decoded.
  // Videos.
  kUnsupportedCodec,  // No decoder for the video stream.
  kVideoTooLarge,     // Frame size, or one side of it, over the limit.
  kVideoTooLong,      // Duration or frame count over the limit.
  kDecodeFailed,      // No frame could be decoded.
  // Uploads.
  kUploadHashMismatch,    // The uploaded bytes have another SHA-256.
  kUploadOffsetMismatch,  // Data does not start at the committed size; metadata `committed_bytes`.
  kUploadQuota,           // No room for the upload.
  kUploadTooSlow,         // Its bytes come slower than the configured rate, or not at all; resume it.
  kUploadIncomplete,      // The upload is not finished.
  kUploadBusy,            // Another call is writing the upload; metadata `upload_id`.
  // Analyzers.
  kAnalyzerUnavailable,  // The analyzer says that it cannot be used now.
  kDependencyFailed,     // An analyzer it builds on failed; metadata `dependency`.
  kRetryBudgetSpent,     // Its service stayed unavailable.
  kQueueFull,            // Its service has no room.
  kMessageTooLarge,      // A message to or from its service is over the receiver's limit.
  kBadFrame,             // A frame's data does not fit its description.
  kWeightsMissing,       // A model's weights are not installed.
  kModelCorrupt,         // A model file cannot be read, or is not what the catalogue says.
  kModelTooLarge,        // A model does not fit into the memory budget of its service.
  kInvalidModelOutput,   // A model gave a NaN, an infinity or outputs of a wrong shape.
  // Machines.
  kOutOfMemory,  // The machine or the process has no memory left for it.
  kInternal,     // A broken invariant.
};

// The reason's public spelling, UPPER_SNAKE_CASE; empty for kNone.
std::string_view ReasonName(Reason reason);

// A status with a reason attached. `code` must not be kOk.
absl::Status MakeError(absl::StatusCode code, Reason reason, std::string_view message);
// `status` with the reason attached; unchanged if it is OK.
absl::Status WithReason(absl::Status status, Reason reason);
// The same, for a reason that came from a peer.
absl::Status WithReasonName(absl::Status status, std::string_view reason);
// The reason's spelling, or empty.
std::string GetReason(const absl::Status& status);
// Attaches one key and value, delivered as ErrorInfo metadata.
absl::Status WithMetadata(absl::Status status, std::string_view key, std::string_view value);
// The value attached under `key`, or empty.
std::string GetMetadata(const absl::Status& status, std::string_view key);
// Attaches the delay after which trying again makes sense, delivered as RetryInfo.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);
// The attached delay, or zero.
absl::Duration GetRetryDelay(const absl::Status& status);
// `status` with `prefix` and a colon before its message; code, reason and metadata stay.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

// Short-hands.
absl::Status InvalidArgument(Reason reason, std::string_view message);
// INVALID_ARGUMENT, INVALID_FIELD, with metadata `field`.
absl::Status InvalidField(std::string_view field, std::string_view what);
// RESOURCE_EXHAUSTED, OUT_OF_MEMORY; `what` could not be done, as in "decoding".
absl::Status OutOfMemory(std::string_view what);

}  // namespace reelsight

#define REELSIGHT_CONCAT_INNER(a, b) a##b
#define REELSIGHT_CONCAT(a, b) REELSIGHT_CONCAT_INNER(a, b)

// Returns from the enclosing function if `expr`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expr)                                                                    \
  do {                                                                                           \
    if (absl::Status reelsight_status = (expr); !reelsight_status.ok()) return reelsight_status; \
  } while (false)

// Assigns the value of `expr`, an absl::StatusOr, to `lhs`, or returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_IMPL(REELSIGHT_CONCAT(reelsight_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(var, lhs, expr)    \
  auto var = (expr);                             \
  if (!var.ok()) return std::move(var).status(); \
  lhs = *std::move(var)
