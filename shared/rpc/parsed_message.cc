// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/parsed_message.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "shared/base/status.h"
#include "shared/base/utf8.h"

namespace reelsight::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// Of a path that is shown.
constexpr size_t kMaxPathNames = 6;

// Walks over a message that does not parse, up to what is wrong. Keeps no more than one string of it.
class FaultFinder {
 public:
  FaultFinder(google::protobuf::io::ZeroCopyInputStream* bytes, const Descriptor& type)
      : type_name_(type.full_name()), input_(bytes), levels_({{&type, "", 0, 0}}) {}

  absl::Status Find() {
    while (!levels_.empty()) {
      if (static_cast<int>(levels_.size()) > kMaxDepth + 1) return TooDeep();
      if (const uint32_t tag = input_.ReadTag(); tag != 0) {
        RETURN_IF_ERROR(Field(tag));
        continue;
      }
      // The end of a message, or what cannot be a tag, or the end amid a group.
      if (!input_.ConsumedEntireMessage() || levels_.back().group != 0) return Malformed();
      if (levels_.size() > 1) input_.PopLimit(levels_.back().limit);
      levels_.pop_back();
    }
    return Malformed();
  }

 private:
  // Of the parser.
  static constexpr int kMaxDepth = 100;

  struct Level {
    // Null: not known.
    const Descriptor* type;
    std::string name;
    google::protobuf::io::CodedInputStream::Limit limit;
    // Number of the group that this is; 0: a message.
    int group;
  };

  std::string Path(const std::string& last) const {
    std::string path;
    for (size_t i = 1; i < levels_.size() && i <= kMaxPathNames; ++i) absl::StrAppend(&path, levels_[i].name, ".");
    return levels_.size() > kMaxPathNames + 1 ? path + ".." : path + last;
  }
  absl::Status TooDeep() const {
    const std::string field = Path("");
    absl::Status status = InvalidArgument(
        Reason::kInvalidMessage, absl::StrCat("the message is nested deeper than ", kMaxDepth, " levels: ", field));
    return WithMetadata(WithMetadata(std::move(status), "field", field), "max_depth", absl::StrCat(kMaxDepth));
  }
  absl::Status Malformed() const {
    return InvalidArgument(Reason::kInvalidMessage, absl::StrCat("the bytes are no ", type_name_,
                                                                 "; the fault is at byte ", input_.CurrentPosition()));
  }

  absl::Status Field(uint32_t tag) {
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    const Descriptor* const type = levels_.back().type;
    const FieldDescriptor* const field = type == nullptr ? nullptr : type->FindFieldByNumber(number);
    const std::string name = field == nullptr ? absl::StrCat(number) : field->name();
    uint64_t varint = 0;
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT:
        return input_.ReadVarint64(&varint) ? absl::OkStatus() : Malformed();
      case WireFormatLite::WIRETYPE_FIXED64:
        return input_.Skip(8) ? absl::OkStatus() : Malformed();
      case WireFormatLite::WIRETYPE_FIXED32:
        return input_.Skip(4) ? absl::OkStatus() : Malformed();
      case WireFormatLite::WIRETYPE_START_GROUP:
        levels_.push_back({nullptr, name, 0, number});
        return absl::OkStatus();
      case WireFormatLite::WIRETYPE_END_GROUP:
        if (levels_.back().group != number) return Malformed();
        levels_.pop_back();
        return absl::OkStatus();
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return Delimited(field, name);
    }
    return Malformed();
  }

  absl::Status Delimited(const FieldDescriptor* field, const std::string& name) {
    int size = 0;
    if (!input_.ReadVarintSizeAsInt(&size)) return Malformed();
    if (const int left = input_.BytesUntilLimit(); left >= 0 && size > left) return Malformed();
    if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
      levels_.push_back({field->message_type(), name, input_.PushLimit(size), 0});
      return absl::OkStatus();
    }
    if (field == nullptr || field->type() != FieldDescriptor::TYPE_STRING) {
      return input_.Skip(size) ? absl::OkStatus() : Malformed();
    }
    std::string text;
    if (!input_.ReadString(&text, size)) return Malformed();
    return ValidUtf8(text) == text ? absl::OkStatus() : InvalidField(Path(name), "is not valid UTF-8");
  }

  const std::string type_name_;
  google::protobuf::io::CodedInputStream input_;
  std::vector<Level> levels_;
};

}  // namespace

absl::Status ParseMessage(grpc::ByteBuffer& buffer, google::protobuf::Message& message) {
  grpc::ProtoBufferReader reader(&buffer);
  if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  grpc::ProtoBufferReader again(&buffer);
  if (!again.status().ok()) return InvalidArgument(Reason::kInvalidMessage, "the message cannot be decompressed");
  return FaultFinder(&again, *message.GetDescriptor()).Find();
}

}  // namespace reelsight::rpc
