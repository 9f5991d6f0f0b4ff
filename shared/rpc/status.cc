// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/base/utf8.h"

namespace reelsight::rpc {
namespace {

constexpr size_t kMaxMessageBytes = 4096;
constexpr char kMetadataPrefix[] = "reelsight/metadata/";

// Cuts at a character's start.
std::string Shorten(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t size = kMaxMessageBytes;
  while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0) == 0x80) --size;
  return std::string(message.substr(0, size)) + "...";
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = ValidUtf8(Shorten(status.message()));
  // Invalid text would make the details unreadable to clients.
  google::rpc::ErrorInfo info;
  info.set_domain(kErrorDomain);
  info.set_reason(GetReason(status));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (absl::StartsWith(url, kMetadataPrefix)) {
      (*info.mutable_metadata())[std::string(url.substr(sizeof(kMetadataPrefix) - 1))] =
          ValidUtf8(std::string(payload));
    }
  });
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  if (!info.reason().empty() || info.metadata_size() > 0) details.add_details()->PackFrom(info);
  if (info.reason() == ReasonName(Reason::kInvalidField)) {
    google::rpc::BadRequest bad_request;
    auto& violation = *bad_request.add_field_violations();
    violation.set_field(GetMetadata(status, "field"));
    violation.set_description(message);
    details.add_details()->PackFrom(bad_request);
  }
  if (const absl::Duration delay = GetRetryDelay(status); delay > absl::ZeroDuration()) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = analysis::ToProto(delay);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, message, details.details_size() > 0 ? details.SerializeAsString() : std::string());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return out;
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info) && info.domain() == kErrorDomain) {
      out = WithReasonName(std::move(out), info.reason());
      for (const auto& [key, value] : info.metadata()) out = WithMetadata(std::move(out), key, value);
    } else if (any.UnpackTo(&retry)) {
      out = WithRetryDelay(std::move(out), analysis::FromProto(retry.retry_delay()));
    }
  }
  return out;
}

}  // namespace reelsight::rpc
