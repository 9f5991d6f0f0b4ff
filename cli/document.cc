// SPDX-License-Identifier: Apache-2.0
#include "cli/document.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "shared/base/status.h"
#include "shared/base/utf8.h"

namespace reelsight::cli {
namespace {

// What JSON's readers expect to stand for bytes that are no UTF-8, as file names may hold.
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = false;
  options.add_whitespace = pretty;
  std::string json;
  // Fails only for a Duration out of range or a Struct with a value of no kind, which no server of ours sends.
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) return absl::StrCat("{\"error\":", JsonString(std::string(status.message())), "}");
  while (!json.empty() && json.back() == '\n') json.pop_back();
  return json;
}

std::string ToTextproto(const google::protobuf::Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  printer.SetExpandAny(true);
  std::string text;
  printer.PrintToString(message, &text);
  return text;
}

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

std::string JsonString(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(ValidUtf8(text, kReplacementCharacter));
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(value, &json).ok()) return "\"\"";
  return json;
}

std::string ErrorToJson(const absl::Status& status) {
  return absl::StrCat("{\"code\":", JsonString(CodeName(status.code())), ",\"reason\":", JsonString(GetReason(status)),
                      ",\"message\":", JsonString(std::string(status.message())), "}");
}

}  // namespace reelsight::cli
