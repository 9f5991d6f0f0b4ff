// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/batch_encoding.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr size_t kMaxRequestIdBytes = 128;

uint32_t LengthTag(int field_number) {
  return WireFormatLite::MakeTag(field_number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// Collects what lies between the pixels, then cuts it into slices.
class SliceWriter {
 public:
  explicit SliceWriter(std::shared_ptr<const analysis::Batch> batch) : batch_(std::move(batch)) {}

  void AddMessage(int field_number, const google::protobuf::Message& message) {
    AddHeader(field_number, message.ByteSizeLong());
    message.AppendToString(&pending_);
  }
  // Tag and length of a field whose content follows.
  void AddHeader(int field_number, size_t size) {
    google::protobuf::io::StringOutputStream stream(&pending_);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.WriteTag(LengthTag(field_number));
    coded.WriteVarint64(size);
  }
  void AddBytes(std::string_view bytes) { pending_.append(bytes); }
  void AddPixels(std::span<const uint8_t> pixels) {
    Flush();
    auto* const owner = new std::shared_ptr<const analysis::Batch>(batch_);
    // gRPC never writes to a slice.
    slices_.emplace_back(
        const_cast<uint8_t*>(pixels.data()), pixels.size(),
        [](void* user) { delete static_cast<std::shared_ptr<const analysis::Batch>*>(user); }, owner);
  }
  grpc::ByteBuffer Finish() {
    Flush();
    return grpc::ByteBuffer(slices_.data(), slices_.size());
  }

 private:
  void Flush() {
    if (!pending_.empty()) slices_.emplace_back(std::exchange(pending_, {}));
  }

  const std::shared_ptr<const analysis::Batch> batch_;
  std::string pending_;
  std::vector<grpc::Slice> slices_;
};

}  // namespace

// Fields go out in the order of their numbers, as protobuf writes them.
grpc::ByteBuffer EncodeBatch(std::shared_ptr<const analysis::Batch> batch) {
  using Request = analyzer::v1::AnalyzeFramesRequest;
  SliceWriter writer(batch);
  Request head;
  head.set_request_id(batch->request_id);
  *head.mutable_video() = batch->video;
  writer.AddBytes(head.SerializeAsString());
  for (const analysis::Frame& frame : batch->frames) {
    analyzer::v1::Frame message;
    message.set_index(frame.index);
    *message.mutable_offset() = analysis::ToProto(frame.offset);
    message.set_width_px(frame.image->width_px());
    message.set_height_px(frame.image->height_px());
    message.set_format(analysis::ToProto(frame.image->format()));
    const std::span<const uint8_t> pixels = frame.image->bytes();
    const std::string description = message.SerializeAsString();
    const size_t data_header_bytes =
        google::protobuf::io::CodedOutputStream::VarintSize32(LengthTag(analyzer::v1::Frame::kDataFieldNumber)) +
        google::protobuf::io::CodedOutputStream::VarintSize64(pixels.size());
    writer.AddHeader(Request::kFramesFieldNumber, description.size() + data_header_bytes + pixels.size());
    writer.AddBytes(description);
    writer.AddHeader(analyzer::v1::Frame::kDataFieldNumber, pixels.size());
    writer.AddPixels(pixels);
  }
  for (const analysis::AnalyzerWork& work : batch->work) {
    analyzer::v1::AnalyzerWork message;
    message.set_analyzer(work.analyzer);
    if (!work.options.type_url().empty()) *message.mutable_options() = work.options;
    message.mutable_target_indexes()->Add(work.target_indexes.begin(), work.target_indexes.end());
    message.mutable_context_indexes()->Add(work.context_indexes.begin(), work.context_indexes.end());
    writer.AddMessage(Request::kWorkFieldNumber, message);
  }
  return writer.Finish();
}

int64_t PixelBytes(const analysis::Batch& batch) {
  int64_t bytes = 0;
  for (const analysis::Frame& frame : batch.frames) bytes += static_cast<int64_t>(frame.image->bytes().size());
  return bytes;
}

absl::StatusOr<analysis::Batch> DecodeBatch(std::shared_ptr<const analyzer::v1::AnalyzeFramesRequest> request) {
  if (request->request_id().size() > kMaxRequestIdBytes) {
    return InvalidField("request_id", absl::StrCat("at most ", kMaxRequestIdBytes, " bytes"));
  }
  if (request->work().empty()) return InvalidField("work", "a batch without work");
  analysis::Batch batch;
  batch.request_id = request->request_id();
  batch.video = request->video();
  batch.frames.reserve(request->frames_size());
  for (const analyzer::v1::Frame& message : request->frames()) {
    const auto wrap = [&]() -> absl::StatusOr<std::shared_ptr<const analysis::Image>> {
      ASSIGN_OR_RETURN(const analysis::PixelFormat format, analysis::FromProto(message.format()));
      const auto* const data = reinterpret_cast<const uint8_t*>(message.data().data());
      return analysis::Image::Wrap(format, {message.width_px(), message.height_px()}, {data, message.data().size()},
                                   request);
    };
    absl::StatusOr<std::shared_ptr<const analysis::Image>> image = wrap();
    if (!image.ok()) return Annotate(image.status(), absl::StrCat("frame ", message.index()));
    batch.frames.push_back({message.index(), analysis::FromProto(message.offset()), *std::move(image)});
  }
  for (const analyzer::v1::AnalyzerWork& message : request->work()) {
    batch.work.push_back({.analyzer = message.analyzer(),
                          .options = message.options(),
                          .target_indexes = {message.target_indexes().begin(), message.target_indexes().end()},
                          .context_indexes = {message.context_indexes().begin(), message.context_indexes().end()}});
  }
  return batch;
}

}  // namespace reelsight::rpc
