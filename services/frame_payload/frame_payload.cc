// SPDX-License-Identifier: Apache-2.0
#include "services/frame_payload/frame_payload.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "google/protobuf/reflection.h"
#include "reelsight/payload/v1/payload.pb.h"
#include "shared/base/status.h"

namespace reelsight::frame_payload {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kPayloadVersion[] = "PAYLOAD_VERSION";
constexpr int kVersionField = payload::v1::PayloadHeader::kVersionFieldNumber;

const FieldDescriptor* VersionField(const Message& payload) {
  return payload.GetDescriptor()->FindFieldByNumber(kVersionField);
}

int CurrentVersion(const Message& payload) {
  return payload.GetDescriptor()->options().GetExtension(payload::v1::current_version);
}

template <typename Number>
bool AreFinite(const Message& message, const FieldDescriptor* field) {
  const auto numbers = message.GetReflection()->GetRepeatedFieldRef<Number>(message, field);
  return std::all_of(numbers.begin(), numbers.end(), [](Number number) { return std::isfinite(number); });
}

// True if no number in `message` is a NaN or an infinity.
bool IsFinite(const Message& message) {
  const Descriptor& descriptor = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* const field = descriptor.field(i);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_FLOAT:
        if (field->is_repeated() ? !AreFinite<float>(message, field)
                                 : !std::isfinite(reflection.GetFloat(message, field))) {
          return false;
        }
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (field->is_repeated() ? !AreFinite<double>(message, field)
                                 : !std::isfinite(reflection.GetDouble(message, field))) {
          return false;
        }
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (!field->is_repeated()) {
          if (reflection.HasField(message, field) && !IsFinite(reflection.GetMessage(message, field))) return false;
          break;
        }
        for (int k = 0; k < reflection.FieldSize(message, field); ++k) {
          if (!IsFinite(reflection.GetRepeatedMessage(message, field, k))) return false;
        }
        break;
      default:
        break;
    }
  }
  return true;
}

}  // namespace

std::string EncodePayload(Message& payload) {
  payload.GetReflection()->SetInt32(&payload, VersionField(payload), CurrentVersion(payload));
  return payload.SerializeAsString();
}

absl::Status DecodePayload(absl::string_view analyzer, std::string_view bytes, Message* payload) {
  const auto size = static_cast<int>(bytes.size());
  const bool parsed = payload->ParseFromArray(bytes.data(), size);
  payload::v1::PayloadHeader header;
  if (parsed) {
    header.set_version(payload->GetReflection()->GetInt32(*payload, VersionField(*payload)));
  } else if (!header.ParseFromArray(bytes.data(), size)) {
    header.clear_version();
  }
  const int known = CurrentVersion(*payload);
  if (header.version() > 0 && header.version() != known) {
    return WithReasonName(
        absl::FailedPreconditionError(absl::StrCat(analyzer, ": a frame result has payload version ", header.version(),
                                                   ", this replica knows version ", known,
                                                   " only; run all replicas of the service at one version")),
        kPayloadVersion);
  }
  if (!parsed || header.version() != known) return BadPayload(analyzer, "cannot be read");
  if (!IsFinite(*payload)) return BadPayload(analyzer, "holds a number that is none");
  return absl::OkStatus();
}

absl::Status BadPayload(absl::string_view analyzer, absl::string_view what) {
  return InvalidArgument(Reason::kBadFrame, absl::StrCat(analyzer, ": a frame result ", what));
}

}  // namespace reelsight::frame_payload
