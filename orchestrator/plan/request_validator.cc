// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/request_validator.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "reelsight/v1/field_rules.pb.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Deepest nesting walked; the API's own messages need 6, a google.protobuf.Struct may bring more and has no rules.
constexpr int kMaxDepth = 16;

std::string Join(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

absl::Status CheckBounds(const v1::FieldRules& rules, double value, const std::string& path) {
  const bool low = rules.has_min() && !(value >= rules.min());
  const bool high = rules.has_max() && !(value <= rules.max());
  if (!low && !high) return absl::OkStatus();
  std::string bounds;
  if (rules.has_min() && rules.has_max()) {
    bounds = absl::StrCat("in [", rules.min(), ", ", rules.max(), "]");
  } else {
    bounds = rules.has_min() ? absl::StrCat("at least ", rules.min()) : absl::StrCat("at most ", rules.max());
  }
  return InvalidField(path, absl::StrCat("is ", value, ", must be ", bounds));
}

absl::Status CheckSize(const v1::FieldRules& rules, int64_t size, const char* unit, const std::string& path) {
  if (rules.has_min_size() && size < rules.min_size()) {
    return InvalidField(path, absl::StrCat("has ", size, " ", unit, ", must have at least ", rules.min_size()));
  }
  if (rules.has_max_size() && size > rules.max_size()) {
    return InvalidField(path, absl::StrCat("has ", size, " ", unit, ", must have at most ", rules.max_size()));
  }
  return absl::OkStatus();
}

absl::Status CheckDuration(const google::protobuf::Duration& duration, const std::string& path) {
  // The range of google.protobuf.Duration itself.
  constexpr int64_t kMaxSeconds = 315'576'000'000;
  const bool signs_differ =
      (duration.seconds() > 0 && duration.nanos() < 0) || (duration.seconds() < 0 && duration.nanos() > 0);
  if (std::llabs(duration.seconds()) > kMaxSeconds || std::abs(duration.nanos()) > 999'999'999 || signs_differ) {
    return InvalidField(path, "is not a valid duration");
  }
  return absl::OkStatus();
}

absl::Status CheckMessage(const Message& message, const std::string& path, int depth);

// A value of a singular field, of one element (`index` >= 0), or of a map entry's value.
absl::Status CheckValue(const Message& message, const FieldDescriptor& field, int index, const v1::FieldRules& rules,
                        const std::string& path, int depth) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return CheckBounds(
          rules, one ? reflection.GetInt32(message, &field) : reflection.GetRepeatedInt32(message, &field, index),
          path);
    case FieldDescriptor::CPPTYPE_INT64:
      return CheckBounds(rules,
                         static_cast<double>(one ? reflection.GetInt64(message, &field)
                                                 : reflection.GetRepeatedInt64(message, &field, index)),
                         path);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return CheckBounds(
          rules, one ? reflection.GetFloat(message, &field) : reflection.GetRepeatedFloat(message, &field, index),
          path);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return CheckBounds(
          rules, one ? reflection.GetDouble(message, &field) : reflection.GetRepeatedDouble(message, &field, index),
          path);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int value =
          one ? reflection.GetEnumValue(message, &field) : reflection.GetRepeatedEnumValue(message, &field, index);
      if (rules.defined_only() && field.enum_type()->FindValueByNumber(value) == nullptr) {
        return InvalidField(path,
                            absl::StrCat("is ", value, ", which ", field.enum_type()->full_name(), " does not define"));
      }
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      if (!one) return absl::OkStatus();
      std::string scratch;
      return CheckSize(rules, reflection.GetStringReference(message, &field, &scratch).size(), "bytes", path);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& child =
          one ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
      if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&child)) {
        RETURN_IF_ERROR(CheckDuration(*duration, path));
        return CheckBounds(rules, absl::ToDoubleSeconds(analysis::FromProto(*duration)), path);
      }
      return CheckMessage(child, path, depth + 1);
    }
    default:
      return absl::OkStatus();
  }
}

std::string MapKey(const Message& entry, const FieldDescriptor& key) {
  return key.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? entry.GetReflection()->GetString(entry, &key) : "?";
}

absl::Status CheckField(const Message& message, const FieldDescriptor& field, const std::string& path, int depth) {
  const Reflection& reflection = *message.GetReflection();
  const v1::FieldRules& rules = field.options().GetExtension(v1::rules);
  if (!field.is_repeated()) {
    if (field.has_presence() && !reflection.HasField(message, &field)) return absl::OkStatus();
    return CheckValue(message, field, -1, rules, path, depth);
  }
  const int size = reflection.FieldSize(message, &field);
  RETURN_IF_ERROR(CheckSize(rules, size, "elements", path));
  for (int i = 0; i < size; ++i) {
    if (field.is_map()) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      const std::string key = MapKey(entry, *field.message_type()->map_key());
      RETURN_IF_ERROR(CheckValue(entry, *field.message_type()->map_value(), -1, rules,
                                 absl::StrCat(path, "[\"", key, "\"]"), depth));
    } else {
      RETURN_IF_ERROR(CheckValue(message, field, i, rules, absl::StrCat(path, "[", i, "]"), depth));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMessage(const Message& message, const std::string& path, int depth) {
  // Only the API's own messages carry rules; others (google.protobuf.Struct) may be deep.
  if (message.GetDescriptor()->file()->package() != "reelsight.v1") return absl::OkStatus();
  if (depth > kMaxDepth) return InvalidField(path, "is nested too deep");
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    RETURN_IF_ERROR(CheckField(message, field, Join(path, field.name()), depth));
  }
  return absl::OkStatus();
}

absl::Status CheckSegments(const v1::AnalyzeRequest& request) {
  absl::Duration previous_end;
  for (int i = 0; i < request.segments_size(); ++i) {
    const v1::TimeSpan& segment = request.segments(i);
    const std::string path = absl::StrCat("segments[", i, "]");
    const absl::Duration start = analysis::FromProto(segment.start_offset());
    const absl::Duration end = analysis::FromProto(segment.end_offset());
    if (start < absl::ZeroDuration()) return InvalidField(path + ".start_offset", "must not be negative");
    if (end <= start) {
      return InvalidField(path + ".end_offset",
                          absl::StrCat("is ", absl::FormatDuration(end), ", must be after start_offset, which is ",
                                       absl::FormatDuration(start)));
    }
    if (i > 0 && start < previous_end) {
      return InvalidField(path + ".start_offset",
                          "lies before the end of the segment before; give segments in order of "
                          "time, without overlap");
    }
    previous_end = end;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRules(const Message& message) { return CheckMessage(message, "", 0); }

absl::Status ValidateRequest(const v1::AnalyzeRequest& request) {
  RETURN_IF_ERROR(CheckRules(request));
  if (request.source_case() == v1::AnalyzeRequest::SOURCE_NOT_SET) {
    return InvalidField("source", "is not set; set uri, content or upload_id");
  }
  std::set<std::string> seen;
  for (int i = 0; i < request.analyzers_size(); ++i) {
    const std::string& name = request.analyzers(i);
    const std::string path = absl::StrCat("analyzers[", i, "]");
    if (name.empty()) return InvalidField(path, "is empty");
    if (!seen.insert(name).second) return InvalidField(path, absl::StrCat(name, " is there twice"));
  }
  return CheckSegments(request);
}

}  // namespace reelsight::orchestrator
