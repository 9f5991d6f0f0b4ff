// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/upload_reactor.h"

#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "orchestrator/plan/request_validator.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

constexpr size_t kMaxChunkBytes = 4 << 20;
// Some hundredths of a second; then other uploads have their turn, and a call that was cancelled stops.
constexpr int64_t kHashPieceBytes = 8 << 20;

// The call as a client of the disk's threads.
std::string NewName() {
  static std::atomic<int64_t> calls = 0;
  return absl::StrCat("upload ", calls.fetch_add(1));
}

void Describe(const UploadStore::State& state, v1::UploadVideoResponse& response) {
  response.set_upload_id(state.upload_id);
  response.set_committed_bytes(state.committed_bytes);
  response.set_complete(state.complete);
  const int64_t nanos = absl::ToUnixNanos(absl::Now() + state.expires_in);
  response.mutable_expire_time()->set_seconds(nanos / 1'000'000'000);
  response.mutable_expire_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

}  // namespace

UploadReactor::UploadReactor(rpc::CallEnvironment environment, const grpc::CallbackServerContext& context,
                             UploadStore& store, concurrency::FairExecutor& disk, v1::UploadVideoResponse* response)
    : scope_(environment, context, "UploadVideo"),
      store_(store),
      disk_(disk),
      name_(NewName()),
      response_(response),
      reading_(std::make_shared<Reading>(store.sender())) {}

void UploadReactor::Start() {
  if (!scope_.admitted().ok()) return EndCall(scope_.admitted());
  ReadMessage();
}

void UploadReactor::ReadMessage() {
  const std::shared_ptr<Reading> reading = reading_;
  int64_t number = 0;
  {
    MutexLock lock(reading->mutex);
    reading->reactor = this;
    number = ++reading->number;
    reading->start = Clock::now();
  }
  StartRead(&message_);
  // From here on the reactor is there only as long as this read is under way. An alarm before it could end the call,
  // and the reactor, while the read is started.
  MutexLock lock(reading->mutex);
  if (reading->number == number && reading->reactor != nullptr) SetAlarm(reading);
}

void UploadReactor::SetAlarm(const std::shared_ptr<Reading>& reading) {
  const Clock::time_point when = reading->start + absl::ToChronoNanoseconds(reading->floor.left());
  reading->alarm =
      concurrency::ProcessTimer().RunAt(when, [reading, number = reading->number] { OnAlarm(reading, number); });
}

void UploadReactor::OnAlarm(const std::shared_ptr<Reading>& reading, int64_t number) {
  UploadReactor* too_slow = nullptr;
  {
    MutexLock lock(reading->mutex);
    if (reading->number != number || reading->reactor == nullptr) return;
    if (reading->KeepsUp()) return SetAlarm(reading);
    std::swap(too_slow, reading->reactor);
  }
  too_slow->EndCall(too_slow->TooSlowError());
}

bool UploadReactor::Reading::KeepsUp() {
  const Clock::time_point now = Clock::now();
  const absl::Duration waited = absl::FromChrono(now - start);
  start = now;
  return floor.Waited(waited);
}

absl::Status UploadReactor::TooSlowError() const {
  const RateFloor::Options& limits = store_.sender();
  absl::Status status = MakeError(
      absl::StatusCode::kDeadlineExceeded, Reason::kUploadTooSlow,
      absl::StrCat("the call sent less than ", limits.min_bytes_per_second, " bytes a second over ",
                   absl::FormatDuration(limits.window),
                   " (uploads.min_bytes_per_second, uploads.idle_timeout_seconds); what came is kept: resume it"));
  if (!response_->upload_id().empty()) {
    status = WithMetadata(std::move(status), "upload_id", response_->upload_id());
    status = WithMetadata(std::move(status), "committed_bytes", absl::StrCat(response_->committed_bytes()));
  }
  return status;
}

void UploadReactor::OnReadDone(bool ok) {
  bool keeps_up = true;
  {
    MutexLock lock(reading_->mutex);
    // The alarm has ended the call.
    if (reading_->reactor == nullptr) return;
    reading_->reactor = nullptr;
    concurrency::ProcessTimer().Cancel(reading_->alarm);
    if (ok) reading_->floor.Add(static_cast<int64_t>(message_.message.chunk().data().size()));
    keeps_up = reading_->KeepsUp();
  }
  if (!ok) {
    // The caller is done, or gone. What came is committed and can be resumed.
    if (absl::Status cancelled = scope_.cancel().status(); !cancelled.ok()) return EndCall(cancelled);
    if (!opened_)
      return EndCall(InvalidField("message", "the call ended before its first message, which must be `open`"));
    return EndCall(absl::OkStatus());
  }
  if (!keeps_up) return EndCall(TooSlowError());
  RunOnDisk(&UploadReactor::HandleAndGoOn);
}

void UploadReactor::RunOnDisk(void (UploadReactor::*step)()) {
  const absl::Status queued = disk_.Submit(name_, [this, step] { (this->*step)(); });
  if (!queued.ok()) EndCall(queued);
}

void UploadReactor::HandleAndGoOn() {
  if (absl::Status status = HandleMessage(); !status.ok() || complete_) return EndCall(status);
  // Only after `open` there may be anything to hash.
  message_.message.has_open() ? HashRest() : ReadMessage();
}

void UploadReactor::HashRest() {
  if (absl::Status cancelled = scope_.cancel().status(); !cancelled.ok()) return EndCall(cancelled);
  const absl::StatusOr<bool> done = writer_->HashMore(kHashPieceBytes);
  if (!done.ok()) return EndCall(done.status());
  *done ? ReadMessage() : RunOnDisk(&UploadReactor::HashRest);
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

void UploadReactor::EndCall(const absl::Status& status) {
  // Gives the upload free before the caller hears, so that it can resume at once.
  writer_.reset();
  Finish(scope_.Finish(status));
}

}  // namespace reelsight::orchestrator
