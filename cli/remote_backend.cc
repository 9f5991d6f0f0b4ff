// SPDX-License-Identifier: Apache-2.0
#include "cli/remote_backend.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "grpcpp/create_channel.h"
#include "orchestrator/source/redact_uri.h"
#include "shared/base/status.h"
#include "shared/digest/sha256.h"
#include "shared/rpc/deadline.h"
#include "shared/rpc/server_config.h"
#include "shared/rpc/status.h"

namespace reelsight::cli {
namespace {

// Tries of one upload, when the connection breaks.
constexpr int kUploadTries = 4;

// A call's context that follows a cancel token. Lives as long as the call.
class CallContext {
 public:
  explicit CallContext(const CancelToken& cancel) : callback_(cancel, [this] { context_.TryCancel(); }) {
    context_.set_deadline(rpc::ToGrpcDeadline(cancel.deadline()));
  }
  grpc::ClientContext& get() { return context_; }

 private:
  grpc::ClientContext context_;
  CancelToken::Callback callback_;
};

// The call's status; if the token was cancelled, why.
absl::Status CallStatus(const grpc::Status& status, const CancelToken& cancel, const std::string& server) {
  if (status.ok()) return absl::OkStatus();
  RETURN_IF_ERROR(cancel.status());
  const absl::Status translated = rpc::FromGrpcStatus(status);
  if (translated.code() == absl::StatusCode::kUnavailable && GetReason(translated).empty()) {
    return Annotate(translated,
                    absl::StrCat("no answer from the server ", server, "; check the address and that it runs"));
  }
  return translated;
}

absl::Status ReadError(const std::string& path) {
  return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound, absl::StrCat("cannot read ", path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteBackend>> RemoteBackend::Create(Options options) {
  config::v1::TlsConfig tls;
  tls.set_ca_file(options.ca_file);
  ASSIGN_OR_RETURN(const auto credentials, rpc::MakeChannelCredentials(options.ca_file.empty() ? nullptr : &tls));
  grpc::ChannelArguments arguments;
  // An answer is as large as the video is rich; the server bounds what it sends.
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  auto backend = std::unique_ptr<RemoteBackend>(new RemoteBackend(std::move(options)));
  backend->stub_ =
      v1::VideoAnalysisService::NewStub(grpc::CreateCustomChannel(backend->options_.server, credentials, arguments));
  return backend;
}

absl::StatusOr<v1::AnalyzeResponse> RemoteBackend::Analyze(const std::string& input, v1::AnalyzeRequest request,
                                                           AnalysisObserver* observer, const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.status());
  if (input.find("://") != std::string::npos) {
    request.set_uri(input);
  } else {
    RETURN_IF_ERROR(Attach(input, observer, cancel, request));
  }
  CallContext context(cancel);
  const auto reader = stub_->AnalyzeStream(&context.get(), request);
  std::optional<v1::AnalyzeResponse> response;
  v1::AnalyzeStreamResponse message;
  while (reader->Read(&message)) {
    if (message.has_response()) response = std::move(*message.mutable_response());
    if (observer == nullptr) continue;
    if (message.has_video()) observer->OnVideo(message.video());
    if (message.has_progress()) observer->OnProgress(message.progress());
    if (message.has_partial_result()) observer->OnResult(message.partial_result());
  }
  RETURN_IF_ERROR(CallStatus(reader->Finish(), cancel, options_.server));
  if (!response.has_value()) {
    return absl::InternalError(absl::StrCat("the server ", options_.server, " ended the call without a response"));
  }
  return *std::move(response);
}

absl::StatusOr<v1::ListAnalyzersResponse> RemoteBackend::ListAnalyzers(const CancelToken& cancel) {
  CallContext context(cancel);
  v1::ListAnalyzersResponse response;
  RETURN_IF_ERROR(CallStatus(stub_->ListAnalyzers(&context.get(), {}, &response), cancel, options_.server));
  return response;
}

absl::Status RemoteBackend::Attach(const std::string& path, AnalysisObserver* observer, const CancelToken& cancel,
                                   v1::AnalyzeRequest& request) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound,
                     absl::StrCat("no such file: ", orchestrator::RedactUri(path), "; check the path"));
  }
  const int64_t size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  if (error) return ReadError(path);
  if (size > options_.max_inline_bytes) {
    ASSIGN_OR_RETURN(*request.mutable_upload_id(), Upload(path, size, observer, cancel));
    return absl::OkStatus();
  }
  std::ifstream file(path, std::ios::binary);
  std::string content(static_cast<size_t>(size), '\0');
  if (!file.read(content.data(), size)) return ReadError(path);
  request.set_content(std::move(content));
  return absl::OkStatus();
}

absl::StatusOr<std::string> RemoteBackend::Upload(const std::string& path, int64_t size, AnalysisObserver* observer,
                                                  const CancelToken& cancel) {
  digest::Sha256 sha256;
  std::ifstream file(path, std::ios::binary);
  std::string buffer(static_cast<size_t>(options_.chunk_bytes), '\0');
  while (file.read(buffer.data(), options_.chunk_bytes) || file.gcount() > 0) {
    RETURN_IF_ERROR(cancel.status());
    sha256.Update(std::string_view(buffer.data(), static_cast<size_t>(file.gcount())));
  }
  if (file.bad()) return ReadError(path);
  v1::UploadVideoRequest::Open open;
  open.set_total_bytes(size);
  open.set_sha256(sha256.HexDigest());
  // The first call has no data: its answer brings the id that a broken upload needs to be resumed.
  ASSIGN_OR_RETURN(const v1::UploadVideoResponse opened, UploadCall(open, "", size, nullptr, cancel));
  open.set_upload_id(opened.upload_id());
  for (int attempt = 1;; ++attempt) {
    const auto answer = UploadCall(open, path, size, observer, cancel);
    if (answer.ok()) {
      if (answer->complete()) return answer->upload_id();
      return absl::InternalError(absl::StrCat("the server ", options_.server, " has ", answer->committed_bytes(),
                                              " of ", size, " bytes and ended the upload"));
    }
    if (answer.status().code() != absl::StatusCode::kUnavailable || attempt == kUploadTries) return answer.status();
    std::this_thread::sleep_for(std::chrono::milliseconds(200 << attempt));
    v1::UploadVideoRequest::Open query;
    query.set_upload_id(open.upload_id());
    query.set_query_only(true);
    const auto state = UploadCall(query, "", size, nullptr, cancel);
    if (state.ok()) open.set_offset(state->committed_bytes());
  }
}

absl::StatusOr<v1::UploadVideoResponse> RemoteBackend::UploadCall(const v1::UploadVideoRequest::Open& open,
                                                                  const std::string& path, int64_t size,
                                                                  AnalysisObserver* observer,
                                                                  const CancelToken& cancel) {
  CallContext context(cancel);
  v1::UploadVideoResponse response;
  const auto writer = stub_->UploadVideo(&context.get(), &response);
  v1::UploadVideoRequest message;
  *message.mutable_open() = open;
  bool writable = writer->Write(message);
  if (!path.empty()) {
    std::ifstream file(path, std::ios::binary);
    file.seekg(open.offset());
    int64_t sent = open.offset();
    while (writable && sent < size) {
      std::string data(static_cast<size_t>(std::min(options_.chunk_bytes, size - sent)), '\0');
      if (!file.read(data.data(), static_cast<std::streamsize>(data.size()))) {
        context.get().TryCancel();
        static_cast<void>(writer->Finish());
        return ReadError(path);
      }
      sent += static_cast<int64_t>(data.size());
      message.mutable_chunk()->set_data(std::move(data));
      message.mutable_chunk()->set_last(sent == size);
      writable = writer->Write(message);
      if (writable && observer != nullptr) observer->OnUpload(sent, size);
    }
  }
  writer->WritesDone();
  RETURN_IF_ERROR(CallStatus(writer->Finish(), cancel, options_.server));
  return response;
}

}  // namespace reelsight::cli
