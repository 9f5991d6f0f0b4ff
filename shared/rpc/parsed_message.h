// SPDX-License-Identifier: Apache-2.0
//
// Requests that may be malformed. gRPC parses a request before it calls the handler, and answers UNIMPLEMENTED without
// a word where that fails; a broken message of a stream even looks like the stream's end. A handler whose request type
// is ParsedMessage<T> is called all the same, and says what is wrong:
//
//   MarkMethodCallback(index, new grpc::internal::CallbackUnaryHandler<ParsedMessage<Request>, Response>(...));
//
// as the generated service does it for Request itself. Messages over the size limit do not get here: gRPC ends their
// calls with RESOURCE_EXHAUSTED and no details.
#pragma once

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/serialization_traits.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"

namespace reelsight::rpc {

template <typename Message>
struct ParsedMessage {
  // What could be read of it, if `status` is not OK.
  Message message;
  // INVALID_ARGUMENT: INVALID_FIELD with metadata `field` (a string that is not UTF-8), or INVALID_MESSAGE (nested too
  // deep, with metadata `field` and `max_depth`; or no message of this type at all).
  absl::Status status;
};

// Parses `buffer`; see ParsedMessage::status.
absl::Status ParseMessage(grpc::ByteBuffer& buffer, google::protobuf::Message& message);

}  // namespace reelsight::rpc

namespace grpc {

template <typename Message>
class SerializationTraits<reelsight::rpc::ParsedMessage<Message>, void> {
 public:
  static Status Deserialize(ByteBuffer* buffer, reelsight::rpc::ParsedMessage<Message>* parsed) {
    parsed->status = reelsight::rpc::ParseMessage(*buffer, parsed->message);
    buffer->Clear();
    return Status::OK;
  }
};

}  // namespace grpc
