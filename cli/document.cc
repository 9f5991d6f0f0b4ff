// SPDX-License-Identifier: Apache-2.0
#include "cli/document.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

// Bytes of the code point that begins `text`, or 0 if it is no UTF-8: too long, cut off, a surrogate, above U+10FFFF.
size_t CodePointBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const size_t bytes = byte(0) < 0x80 ? 1 : byte(0) < 0xC2 ? 0 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (bytes == 0 || byte(0) > 0xF4 || bytes > text.size()) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool too_long = (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool no_character = (byte(0) == 0xED && byte(1) > 0x9F) || (byte(0) == 0xF4 && byte(1) > 0x8F);
  return too_long || no_character ? 0 : bytes;
}

// File names may hold any bytes; JSON may not. What is no UTF-8 becomes U+FFFD.
std::string AsUtf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t bytes = CodePointBytes(text);
    valid += bytes > 0 ? text.substr(0, bytes) : "\xEF\xBF\xBD";
    text.remove_prefix(std::max<size_t>(1, bytes));
  }
  return valid;
}

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
  value.set_string_value(AsUtf8(text));
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(value, &json).ok()) return "\"\"";
  return json;
}

std::string ErrorToJson(const absl::Status& status) {
  return absl::StrCat("{\"code\":", JsonString(CodeName(status.code())), ",\"reason\":", JsonString(GetReason(status)),
                      ",\"message\":", JsonString(std::string(status.message())), "}");
}

}  // namespace reelsight::cli
