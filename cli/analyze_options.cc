// SPDX-License-Identifier: Apache-2.0
#include "cli/analyze_options.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/time_text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/json_util.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/host_port.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status Usage(const std::string& flag, const std::string& what) {
  return WithMetadata(absl::InvalidArgumentError(absl::StrCat(flag, ": ", what)), "flag", flag);
}

std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

absl::Status SetEnum(const FieldDescriptor& field, const std::string& value, Message& message) {
  const std::string name = absl::AsciiStrToUpper(value);
  const auto* number = field.enum_type()->FindValueByName(name);
  if (number == nullptr || number->number() == 0) {
    std::vector<std::string> names;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      if (field.enum_type()->value(i)->number() != 0) {
        names.push_back(absl::AsciiStrToLower(field.enum_type()->value(i)->name()));
      }
    }
    return Usage("--option", absl::StrCat("`", value, "` is none of ", absl::StrJoin(names, ", ")));
  }
  message.GetReflection()->SetEnum(&message, &field, number);
  return absl::OkStatus();
}

absl::Status SetField(const FieldDescriptor& field, const std::string& value, Message& message) {
  const auto* reflection = message.GetReflection();
  const auto wrong = [&](const char* kind) {
    return Usage("--option", absl::StrCat(field.name(), " takes ", kind, ", not `", value, "`"));
  };
  if (field.is_repeated()) return wrong("a list, which this flag cannot write");
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t number = 0;
      if (!absl::SimpleAtoi(value, &number)) return wrong("a whole number");
      reflection->SetInt32(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t number = 0;
      if (!absl::SimpleAtoi(value, &number)) return wrong("a whole number");
      reflection->SetInt64(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      float number = 0;
      if (!absl::SimpleAtof(value, &number) || !std::isfinite(number)) return wrong("a number");
      reflection->SetFloat(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number = 0;
      if (!absl::SimpleAtod(value, &number) || !std::isfinite(number)) return wrong("a number");
      reflection->SetDouble(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool flag = false;
      if (!absl::SimpleAtob(value, &flag)) return wrong("true or false");
      reflection->SetBool(&message, &field, flag);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetString(&message, &field, value);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(field, value, message);
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (field.message_type()->full_name() != "google.protobuf.Duration") {
        return wrong("a message, which this flag cannot write");
      }
      const auto duration = ParseTime(value);
      if (!duration.ok()) return wrong("a time such as `0.5` or `500ms`");
      reflection->MutableMessage(&message, &field)->CopyFrom(analysis::ToProto(*duration));
      return absl::OkStatus();
    }
    default:
      return wrong("something this flag cannot write");
  }
}

google::protobuf::Value CustomValue(const std::string& text) {
  google::protobuf::Value value;
  if (!google::protobuf::util::JsonStringToMessage(text, &value).ok() ||
      value.kind_case() == google::protobuf::Value::KIND_NOT_SET) {
    value.set_string_value(text);
  }
  return value;
}

absl::Status AddSegment(const AnalyzeFlags& flags, v1::AnalyzeRequest& request) {
  if (flags.start.empty() && flags.end.empty()) return absl::OkStatus();
  absl::Duration start = absl::ZeroDuration();
  // A segment that ends behind the video is cut to it, so "to the end" is a very long one.
  absl::Duration end = absl::Hours(24);
  if (!flags.start.empty()) {
    const auto parsed = ParseTime(flags.start);
    if (!parsed.ok()) return Usage("--start", std::string(parsed.status().message()));
    start = *parsed;
  }
  if (!flags.end.empty()) {
    const auto parsed = ParseTime(flags.end);
    if (!parsed.ok()) return Usage("--end", std::string(parsed.status().message()));
    end = *parsed;
  }
  if (end <= start) return Usage("--end", "must lie behind --start");
  v1::TimeSpan& span = *request.add_segments();
  *span.mutable_start_offset() = analysis::ToProto(start);
  *span.mutable_end_offset() = analysis::ToProto(end);
  return absl::OkStatus();
}

}  // namespace

absl::Status SetOption(const std::string& assignment, v1::AnalyzerOptions& options) {
  const size_t equals = assignment.find('=');
  const size_t dot = assignment.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals || dot == 0 || dot + 1 == equals) {
    return Usage("--option", absl::StrCat("`", assignment, "` is not of the form analyzer.field=value"));
  }
  const std::string analyzer = assignment.substr(0, dot);
  const std::string name = assignment.substr(dot + 1, equals - dot - 1);
  const std::string value = assignment.substr(equals + 1);
  const FieldDescriptor* part = v1::AnalyzerOptions::descriptor()->FindFieldByName(analyzer);
  if (part == nullptr || part->is_map()) {
    (*(*options.mutable_custom())[analyzer].mutable_fields())[name] = CustomValue(value);
    return absl::OkStatus();
  }
  Message& message = *options.GetReflection()->MutableMessage(&options, part);
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) {
    const std::vector<std::string> names = FieldNames(*message.GetDescriptor());
    const std::string near = NearestWord(name, names);
    return Usage("--option", absl::StrCat(analyzer, " has no option `", name, "`; ",
                                          near.empty() ? absl::StrCat("it has ", absl::StrJoin(names, ", "))
                                                       : absl::StrCat("did you mean `", near, "`?")));
  }
  return SetField(*field, value, message);
}

absl::StatusOr<v1::AnalyzeRequest> MakeRequest(const AnalyzeFlags& flags) {
  v1::AnalyzeRequest request;
  request.set_request_id(flags.request_id);
  for (const std::string& text : flags.analyzers) {
    const std::string analyzer(absl::StripAsciiWhitespace(text));
    if (analyzer.empty()) return Usage("--analyzers", "an analyzer's name is empty");
    if (std::find(request.analyzers().begin(), request.analyzers().end(), analyzer) != request.analyzers().end()) {
      return Usage("--analyzers", absl::StrCat("`", analyzer, "` is named twice"));
    }
    request.add_analyzers(analyzer);
  }
  for (const std::string& text : flags.fps) {
    const size_t equals = text.find('=');
    double rate = 0;
    if (equals == std::string::npos || equals == 0 || !absl::SimpleAtod(text.substr(equals + 1), &rate) ||
        !std::isfinite(rate) || rate <= 0) {
      return Usage("--fps", absl::StrCat("`", text,
                                         "` is not of the form analyzer=frames-a-second, for instance "
                                         "color_analysis=4"));
    }
    const std::string analyzer = text.substr(0, equals);
    if (request.sample_fps().contains(analyzer)) {
      return Usage("--fps", absl::StrCat("`", analyzer, "` is named twice"));
    }
    (*request.mutable_sample_fps())[analyzer] = rate;
  }
  for (const std::string& option : flags.options) RETURN_IF_ERROR(SetOption(option, *request.mutable_options()));
  RETURN_IF_ERROR(AddSegment(flags, request));
  if (flags.profile == "reference") {
    request.set_sampling_profile(v1::AnalyzeRequest::REFERENCE);
  } else if (flags.profile == "accurate") {
    request.set_sampling_profile(v1::AnalyzeRequest::ACCURATE);
  } else if (!flags.profile.empty()) {
    return Usage("--profile", absl::StrCat("`", flags.profile, "` is neither accurate nor reference"));
  }
  return request;
}

absl::Status CheckServerAddress(const std::string& address) {
  if (absl::StartsWith(address, "unix:")) return absl::OkStatus();
  const std::optional<HostPort> parsed = ParseHostPort(address);
  if (!parsed || parsed->port == 0) {
    return Usage("--server", absl::StrCat("`", address, "` is not of the form HOST:PORT, for instance localhost:7010"));
  }
  return absl::OkStatus();
}

absl::Status AsUsageError(const absl::Status& status, const std::vector<std::string>& analyzers) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return absl::OkStatus();
  const std::string field = GetMetadata(status, "field");
  std::string what(status.message());
  if (GetReason(status) == ReasonName(Reason::kUnknownAnalyzer)) {
    // The message ends with all names there are.
    const size_t list = what.find("there are ");
    const std::vector<std::string> names =
        list == std::string::npos ? std::vector<std::string>()
                                  : absl::StrSplit(what.substr(list + std::string("there are ").size()), ", ");
    for (const std::string& analyzer : analyzers) {
      if (std::find(names.begin(), names.end(), analyzer) != names.end()) continue;
      const std::string near = NearestWord(analyzer, names);
      if (!near.empty()) absl::StrAppend(&what, "; did you mean `", near, "`?");
      break;
    }
    return Usage("--analyzers", std::string(absl::StripPrefix(what, "analyzers: ")));
  }
  if (GetReason(status) != ReasonName(Reason::kInvalidField)) return absl::OkStatus();
  for (const auto& [prefix, flag] :
       {std::pair("sample_fps", "--fps"), std::pair("options.", "--option"), std::pair("request_id", "--request-id")}) {
    if (absl::StartsWith(field, prefix)) return Usage(flag, what);
  }
  return absl::OkStatus();
}

bool IsUri(const std::string& input) {
  const std::string lower = absl::AsciiStrToLower(input.substr(0, 8));
  return absl::StartsWith(lower, "http://") || absl::StartsWith(lower, "https://") ||
         absl::StartsWith(lower, "s3://") || absl::StartsWith(lower, "file://");
}

std::string NearestWord(const std::string& word, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t nearest_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // Levenshtein's distance, one row at a time.
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t above = row[j + 1];
        row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (word[i] == candidate[j] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < nearest_distance) {
      nearest_distance = row.back();
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace reelsight::cli
