// SPDX-License-Identifier: Apache-2.0
#include "shared/process/settings.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "shared/base/status.h"

namespace reelsight::process {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status Wrong(const std::string& origin, const std::string& value, const char* expected) {
  return absl::InvalidArgumentError(absl::StrCat(origin, ": '", value, "' is not ", expected));
}

absl::Status SetEnum(const FieldDescriptor& field, const std::string& value, const std::string& origin,
                     Message* message) {
  const auto* const found = field.enum_type()->FindValueByName(absl::AsciiStrToUpper(value));
  if (found == nullptr || found->number() == 0) {
    std::string names;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      if (field.enum_type()->value(i)->number() == 0) continue;
      absl::StrAppend(&names, names.empty() ? "" : ", ", absl::AsciiStrToLower(field.enum_type()->value(i)->name()));
    }
    return Wrong(origin, value, absl::StrCat("one of ", names).c_str());
  }
  message->GetReflection()->SetEnum(message, &field, found);
  return absl::OkStatus();
}

absl::Status SetScalar(const FieldDescriptor& field, const std::string& value, const std::string& origin,
                       Message* message) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(message, &field, value);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t number = 0;
      if (!absl::SimpleAtoi(value, &number)) return Wrong(origin, value, "a whole number");
      reflection.SetInt32(message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t number = 0;
      if (!absl::SimpleAtoi(value, &number)) return Wrong(origin, value, "a whole number");
      reflection.SetInt64(message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number = 0;
      if (!absl::SimpleAtod(value, &number)) return Wrong(origin, value, "a number");
      reflection.SetDouble(message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (value != "true" && value != "false") return Wrong(origin, value, "true or false");
      reflection.SetBool(message, &field, value == "true");
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(field, value, origin, message);
    default:
      return absl::InternalError(absl::StrCat(origin, ": field ", field.full_name(), " is no scalar"));
  }
}

absl::Status SetField(std::string_view path, const std::string& value, const std::string& origin, Message* config) {
  const std::vector<std::string> parts = absl::StrSplit(absl::string_view(path.data(), path.size()), '.');
  Message* message = config;
  for (size_t i = 0; i < parts.size(); ++i) {
    const FieldDescriptor* const field = message->GetDescriptor()->FindFieldByName(parts[i]);
    if (field == nullptr) {
      return absl::InternalError(
          absl::StrCat(origin, ": no field ", parts[i], " in ", message->GetDescriptor()->full_name()));
    }
    const Reflection& reflection = *message->GetReflection();
    if (i + 1 < parts.size()) {
      message = reflection.MutableMessage(message, field);
      continue;
    }
    if (!field->is_repeated()) return SetScalar(*field, value, origin, message);
    reflection.ClearField(message, field);
    for (const auto piece : absl::StrSplit(value, ',', absl::SkipEmpty())) {
      reflection.AddString(message, field, std::string(piece));
    }
  }
  return absl::OkStatus();
}

// Paths of folders that exist, separated by commas.
absl::StatusOr<std::string> ToAbsolute(const std::string& folders, const std::string& origin) {
  std::vector<std::string> absolute;
  for (const auto folder : absl::StrSplit(folders, ',', absl::SkipEmpty())) {
    std::error_code error;
    const auto path = std::filesystem::canonical(std::string(folder), error);
    if (error || !std::filesystem::is_directory(path, error)) {
      return absl::NotFoundError(absl::StrCat(origin, ": no such folder: ", folder));
    }
    absolute.push_back(path.string());
  }
  return absl::StrJoin(absolute, ",");
}

}  // namespace

std::vector<Setting> ServerSettings() {
  return {
      {"listen_address", "server.listen_address", "Address for gRPC; port 0 takes a free one", "HOST:PORT",
       "--listen,-l"},
      {"metrics_address", "server.metrics_address", "Address for Prometheus", "HOST:PORT", "--metrics,-m"},
      {"log_format", "server.log.format", "text or json"},
      {"log_level", "server.log.level", "trace, debug, info, warn or error"},
      {"drain_seconds", "server.drain_seconds", "Time for calls under way after SIGTERM", "N"},
      {"drain_grace_seconds", "server.drain_grace_seconds", "Time between not-ready and refusing calls", "N"},
      {"max_concurrent_calls", "server.max_concurrent_calls", "Calls worked on at once", "N"},
      {"max_connections", "server.max_connections", "Connections at once", "N"},
      {"max_receive_bytes", "server.max_receive_bytes", "Largest message accepted", "N"},
      {"reflection", "server.reflection", "true or false: offer gRPC reflection"},
      {"tls_certificate_file", "server.tls.certificate_file", "PEM file with the certificate chain", "FILE"},
      {"tls_private_key_file", "server.tls.private_key_file", "PEM file with the private key", "FILE"},
      {"tls_ca_file", "server.tls.ca_file", "PEM file with the authorities that clients must be signed by", "FILE"}};
}

absl::Status ApplySetting(const Setting& setting, const std::string& value, const std::string& origin,
                          Message* config) {
  if (setting.value_name != "FOLDER") return SetField(setting.field, value, origin, config);
  ASSIGN_OR_RETURN(const std::string folders, ToAbsolute(value, origin));
  return SetField(setting.field, folders, origin, config);
}

bool IsList(const Setting& setting, const Message& config) {
  const google::protobuf::Descriptor* message = config.GetDescriptor();
  const FieldDescriptor* field = nullptr;
  for (const absl::string_view part : absl::StrSplit(setting.field, '.')) {
    field = message == nullptr ? nullptr : message->FindFieldByName(std::string(part));
    if (field == nullptr) return false;
    message = field->message_type();
  }
  return field->is_repeated();
}

std::string EnvironmentName(std::string_view flag) {
  return absl::StrCat("REELSIGHT_", absl::AsciiStrToUpper(absl::string_view(flag.data(), flag.size())));
}

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

absl::Status ApplyEnvironment(const std::vector<Setting>& settings, const GetEnvironment& environment,
                              Message* config) {
  for (const Setting& setting : settings) {
    const std::string name = EnvironmentName(setting.flag);
    if (const std::optional<std::string> value = environment(name); value.has_value()) {
      RETURN_IF_ERROR(ApplySetting(setting, *value, absl::StrCat("environment variable ", name), config));
    }
  }
  return absl::OkStatus();
}

}  // namespace reelsight::process
