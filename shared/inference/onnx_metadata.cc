// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/onnx_metadata.h"

#include <cstdint>
#include <fstream>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::inference {
namespace {

// Field numbers of onnx.proto: ModelProto.metadata_props, StringStringEntryProto.key and .value.
constexpr uint64_t kMetadataProps = 14;
constexpr uint64_t kKey = 1;
constexpr uint64_t kValue = 2;

// Fields of one protobuf message in a stream, one after the other. The wire format is all that is needed, so that this
// depends on no schema.
class FieldReader {
 public:
  FieldReader(std::istream& stream, std::streamoff end) : stream_(stream), end_(end) {}

  // False at the end of the message and where it is malformed; see ok().
  bool Next() {
    if (!ok_ || stream_.tellg() >= end_) return false;
    const std::optional<uint64_t> tag = Varint();
    if (!tag) return Fail();
    number_ = *tag >> 3;
    length_delimited_ = false;
    switch (*tag & 7) {
      case 0:
        return Varint().has_value() || Fail();
      case 1:
        return Begin(8) && Skip();
      case 2: {
        const std::optional<uint64_t> length = Varint();
        length_delimited_ = true;
        return (length && Begin(*length)) || Fail();
      }
      case 5:
        return Begin(4) && Skip();
      default:
        return Fail();
    }
  }

  bool ok() const { return ok_; }
  uint64_t number() const { return number_; }
  // Of a field that is a string or a message: one of Skip, Text or end() must follow before Next.
  bool length_delimited() const { return length_delimited_; }
  std::streamoff end() const { return field_end_; }
  bool Skip() {
    stream_.seekg(field_end_);
    return stream_.good() || Fail();
  }
  std::string Text() {
    std::string text(static_cast<size_t>(field_end_ - stream_.tellg()), '\0');
    if (!stream_.read(text.data(), static_cast<std::streamsize>(text.size()))) Fail();
    return text;
  }

 private:
  bool Fail() { return ok_ = false; }
  bool Begin(uint64_t length) {
    const std::streamoff here = stream_.tellg();
    if (length > static_cast<uint64_t>(end_ - here)) return Fail();
    field_end_ = here + static_cast<std::streamoff>(length);
    return true;
  }
  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const int byte = stream_.get();
      if (byte < 0) return std::nullopt;
      value |= (static_cast<uint64_t>(byte) & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::istream& stream_;
  const std::streamoff end_;
  std::streamoff field_end_ = 0;
  uint64_t number_ = 0;
  bool length_delimited_ = false;
  bool ok_ = true;
};

bool ReadEntry(std::istream& stream, std::streamoff end, ModelMetadata* metadata) {
  std::string key, value;
  FieldReader fields(stream, end);
  while (fields.Next()) {
    if (!fields.length_delimited()) continue;
    if (fields.number() == kKey) {
      key = fields.Text();
    } else if (fields.number() == kValue) {
      value = fields.Text();
    } else {
      fields.Skip();
    }
  }
  (*metadata)[key] = value;
  return fields.ok();
}

}  // namespace

absl::StatusOr<ModelMetadata> ReadOnnxMetadata(const std::string& path) {
  ModelMetadata metadata;
  if (!absl::EndsWith(path, ".onnx")) return metadata;
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot open model file ", path));
  const std::streamoff end = stream.tellg();
  stream.seekg(0);
  FieldReader fields(stream, end);
  bool ok = true;
  while (ok && fields.Next()) {
    if (!fields.length_delimited()) continue;
    ok = fields.number() == kMetadataProps ? ReadEntry(stream, fields.end(), &metadata) : fields.Skip();
  }
  if (ok && fields.ok()) return metadata;
  return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt, absl::StrCat(path, " is no ONNX file"));
}

}  // namespace reelsight::inference
