// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/grpc_analyzer_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"
#include "shared/rpc/batch_encoding.h"
#include "shared/rpc/deadline.h"
#include "shared/rpc/server_config.h"
#include "shared/rpc/status.h"

namespace reelsight::rpc {
namespace {

constexpr absl::Duration kDescribeTimeout = absl::Seconds(5);
constexpr char kAnalyzeFramesMethod[] = "/reelsight.analyzer.v1.AnalyzerService/AnalyzeFrames";

grpc::ChannelArguments ChannelArgumentsFor(const GrpcAnalyzerClient::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetLoadBalancingPolicyName("round_robin");
  // A service config from DNS could bring retries or another policy.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(options.max_receive_bytes);
  arguments.SetMaxSendMessageSize(-1);
  // A peer that comes back is found within seconds, and one that vanished without a word is noticed.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  return arguments;
}

// gRPC's own refusal of a message over a limit has the code of a full queue. Its texts in the core library, Go and
// Java:
bool IsMessageTooLarge(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted && GetReason(status).empty() &&
         (absl::StrContains(status.message(), "larger than max") ||
          absl::StrContains(status.message(), "exceeds maximum size"));
}

}  // namespace

// One call; deletes itself when it has delivered its answer.
template <typename Response>
class GrpcAnalyzerClient::Call {
 public:
  using Callback = std::function<void(absl::StatusOr<Response>)>;

  Call(GrpcAnalyzerClient& client, const CancelToken& cancel, absl::Duration timeout, Callback done)
      : client_(client), cancel_(cancel), timeout_(timeout), done_(std::move(done)) {
    const auto own = CancelToken::Clock::now() + absl::ToChronoNanoseconds(timeout);
    own_deadline_first_ = own < cancel.deadline();
    context_.set_deadline(ToGrpcDeadline(std::min(own, cancel.deadline())));
    {
      MutexLock lock(client_.mutex_);
      client_.calls_.insert(&context_);
      ++client_.active_calls_;
    }
    // Before the call starts, so that its end cannot come first. Cancelling a call that has not started stops it too.
    canceller_.emplace(cancel_, [this] { context_.TryCancel(); });
  }

  grpc::ClientContext* context() { return &context_; }
  Response* response() { return &response_; }

  // `request_bytes`: size of what was sent, asked only where it matters.
  void End(const grpc::Status& grpc_status, const std::function<size_t()>& request_bytes) {
    // First: waits for a TryCancel under way.
    canceller_.reset();
    absl::Status status = FromGrpcStatus(grpc_status);
    if (IsMessageTooLarge(status)) {
      // The same words for both ways; but they name the size of the message.
      const bool is_request = absl::StrContains(status.message(), absl::StrCat(request_bytes()));
      status = MakeError(absl::StatusCode::kResourceExhausted, Reason::kMessageTooLarge,
                         absl::StrCat(std::string(status.message()),
                                      is_request ? "; raise server.max_receive_bytes of the service"
                                                 : "; raise max_receive_bytes of this endpoint in the orchestrator's "
                                                   "configuration"));
    }
    if (!status.ok()) {
      if (const absl::Status cancelled = cancel_.status(); !cancelled.ok()) {
        status = cancelled;
      } else if (status.code() == absl::StatusCode::kDeadlineExceeded && own_deadline_first_) {
        status = MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded,
                           absl::StrCat("analyzer service ", client_.name_, " at ", client_.target_,
                                        " did not answer within ", absl::FormatDuration(timeout_)));
      } else {
        // A call that arrives just as its server closes its port is answered so, before anybody looked at it.
        if (status.code() == absl::StatusCode::kCancelled) {
          status = MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining, "called off by the server");
        }
        status = Annotate(status, absl::StrCat("analyzer service ", client_.name_, " at ", client_.target_));
      }
    }
    {
      MutexLock lock(client_.mutex_);
      client_.calls_.erase(&context_);
    }
    GrpcAnalyzerClient& client = client_;
    const Callback done = std::move(done_);
    if (status.ok()) {
      done(std::move(response_));
    } else {
      done(std::move(status));
    }
    delete this;
    {
      // Last: the client may go when its last call has. See Note [The last touch] in test_pause.h.
      MutexLock lock(client.mutex_);
      --client.active_calls_;
      client.idle_.NotifyAll();
    }
    TestPause("GrpcAnalyzerClient::Call::End");
  }

 private:
  GrpcAnalyzerClient& client_;
  const CancelToken cancel_;
  const absl::Duration timeout_;
  bool own_deadline_first_ = false;
  Callback done_;
  grpc::ClientContext context_;
  Response response_;
  std::optional<CancelToken::Callback> canceller_;
};

absl::StatusOr<std::unique_ptr<GrpcAnalyzerClient>> GrpcAnalyzerClient::Create(const Options& options) {
  if (options.target.empty()) {
    return InvalidField("target", absl::StrCat("analyzer service ", options.name,
                                               " has no target; give one, for instance dns:///localhost:7011"));
  }
  if (!(options.batch_timeout > absl::ZeroDuration() && options.batch_timeout <= absl::Hours(24))) {
    return InvalidField("batch_timeout_seconds", "must be above 0 and at most 86400");
  }
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials = MakeChannelCredentials(options.tls);
  if (!credentials.ok()) return Annotate(credentials.status(), absl::StrCat("analyzer service ", options.name));
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(options.target, *credentials, ChannelArgumentsFor(options));
  return std::unique_ptr<GrpcAnalyzerClient>(new GrpcAnalyzerClient(options, std::move(channel)));
}

absl::StatusOr<std::unique_ptr<GrpcAnalyzerClient>> GrpcAnalyzerClient::Create(
    const config::v1::AnalyzerEndpoint& endpoint) {
  Options options{.name = endpoint.name().empty() ? endpoint.target() : endpoint.name(), .target = endpoint.target()};
  if (endpoint.batch_timeout_seconds() != 0) options.batch_timeout = absl::Seconds(endpoint.batch_timeout_seconds());
  if (endpoint.max_receive_bytes() != 0) options.max_receive_bytes = static_cast<int>(endpoint.max_receive_bytes());
  if (endpoint.has_tls()) options.tls = &endpoint.tls();
  return Create(options);
}

GrpcAnalyzerClient::GrpcAnalyzerClient(const Options& options, std::shared_ptr<grpc::Channel> channel)
    : name_(options.name),
      target_(options.target),
      batch_timeout_(options.batch_timeout),
      stub_(analyzer::v1::AnalyzerService::NewStub(channel)),
      batch_stub_(channel) {}

GrpcAnalyzerClient::~GrpcAnalyzerClient() {
  MutexLock lock(mutex_);
  for (grpc::ClientContext* const context : calls_) context->TryCancel();
  while (active_calls_ > 0) idle_.Wait(mutex_);
}

void GrpcAnalyzerClient::Describe(const CancelToken& cancel, DescribeCallback done) {
  static const analyzer::v1::DescribeRequest& request = *new analyzer::v1::DescribeRequest();
  auto* const call = new Call<analyzer::v1::DescribeResponse>(*this, cancel, std::min(kDescribeTimeout, batch_timeout_),
                                                              std::move(done));
  stub_->async()->Describe(call->context(), &request, call->response(), [call](const grpc::Status& status) {
    call->End(status, [] { return request.ByteSizeLong(); });
  });
}

void GrpcAnalyzerClient::AnalyzeFrames(std::shared_ptr<const analysis::Batch> batch, const CancelToken& cancel,
                                       BatchCallback done) {
  auto* const call = new Call<analyzer::v1::AnalyzeFramesResponse>(*this, cancel, batch_timeout_, std::move(done));
  // gRPC keeps references to the slices for as long as it needs them.
  const grpc::ByteBuffer request = EncodeBatch(std::move(batch));
  batch_stub_.UnaryCall(
      call->context(), kAnalyzeFramesMethod, grpc::StubOptions(), &request, call->response(),
      [call, bytes = request.Length()](const grpc::Status& status) { call->End(status, [bytes] { return bytes; }); });
}

void GrpcAnalyzerClient::Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request,
                                   const CancelToken& cancel, SummarizeCallback done) {
  auto* const call = new Call<analyzer::v1::SummarizeResponse>(*this, cancel, batch_timeout_, std::move(done));
  stub_->async()->Summarize(call->context(), request.get(), call->response(),
                            [call, request](const grpc::Status& status) mutable {
                              const size_t bytes = status.ok() ? 0 : request->ByteSizeLong();
                              request.reset();  // See LocalAnalyzerClient.
                              call->End(status, [bytes] { return bytes; });
                            });
}

}  // namespace reelsight::rpc
