// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/upload_reactor.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "orchestrator/plan/request_validator.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

constexpr size_t kMaxChunkBytes = 4 << 20;

void Describe(const UploadStore::State& state, v1::UploadVideoResponse& response) {
  response.set_upload_id(state.upload_id);
  response.set_committed_bytes(state.committed_bytes);
  response.set_complete(state.complete);
  const int64_t nanos = absl::ToUnixNanos(absl::Now() + state.expires_in);
  response.mutable_expire_time()->set_seconds(nanos / 1'000'000'000);
  response.mutable_expire_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

}  // namespace

void UploadReactor::Start() {
  if (!scope_.admitted().ok()) return End(scope_.admitted());
  StartRead(&message_);
}

void UploadReactor::OnReadDone(bool ok) {
  if (!ok) {
    // The caller is done, or gone. What came is committed and can be resumed.
    if (absl::Status cancelled = scope_.cancel().status(); !cancelled.ok()) return End(cancelled);
    if (!opened_) return End(InvalidField("message", "the call ended before its first message, which must be `open`"));
    return End(absl::OkStatus());
  }
  const absl::Status queued = disk_.Submit("upload", [this] {
    if (Handle()) StartRead(&message_);
  });
  if (!queued.ok()) End(queued);
}

bool UploadReactor::Handle() {
  if (absl::Status status = HandleMessage(); !status.ok()) {
    End(status);
    return false;
  }
  if (!complete_) return true;
  End(absl::OkStatus());
  return false;
}

absl::Status UploadReactor::HandleMessage() {
  RETURN_IF_ERROR(scope_.cancel().status());
  RETURN_IF_ERROR(message_.status);
  const v1::UploadVideoRequest& message = message_.message;
  RETURN_IF_ERROR(CheckRules(message));
  switch (message.message_case()) {
    case v1::UploadVideoRequest::kOpen:
      if (opened_) return InvalidField("open", "only the first message may be `open`");
      opened_ = true;
      return HandleOpen(message.open());
    case v1::UploadVideoRequest::kChunk:
      if (!opened_) return InvalidField("message", "the first message must be `open`");
      return HandleChunk(message.chunk());
    default:
      return InvalidField("message", "is not set; set `open` or `chunk`");
  }
}

absl::Status UploadReactor::HandleOpen(const v1::UploadVideoRequest::Open& open) {
  if (open.query_only()) {
    ASSIGN_OR_RETURN(const UploadStore::State state, store_.Query(open.upload_id()));
    Describe(state, *response_);
    complete_ = true;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(writer_, store_.Open({.upload_id = open.upload_id(),
                                         .total_bytes = open.total_bytes(),
                                         .sha256 = open.sha256(),
                                         .offset = open.offset()}));
  Describe(writer_->state(), *response_);
  return absl::OkStatus();
}

absl::Status UploadReactor::HandleChunk(const v1::UploadVideoRequest::Chunk& chunk) {
  if (chunk.data().size() > kMaxChunkBytes) {
    return InvalidField("chunk.data",
                        absl::StrCat("has ", chunk.data().size(), " bytes, must have at most ", kMaxChunkBytes));
  }
  RETURN_IF_ERROR(writer_->Append(chunk.data()));
  if (chunk.last()) {
    ASSIGN_OR_RETURN(const UploadStore::State state, writer_->Finish());
    Describe(state, *response_);
    complete_ = true;
    return absl::OkStatus();
  }
  Describe(writer_->state(), *response_);
  return absl::OkStatus();
}

void UploadReactor::End(const absl::Status& status) {
  // Gives the upload free before the caller hears, so that it can resume at once.
  writer_.reset();
  Finish(scope_.Finish(status));
}

}  // namespace reelsight::orchestrator
