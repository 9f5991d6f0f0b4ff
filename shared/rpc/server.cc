// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/server.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "grpc/grpc.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server_builder.h"
#include "shared/base/status.h"
#include "shared/rpc/deadline.h"
#include "shared/rpc/server_config.h"
#include "shared/telemetry/log.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHealthInterval(1);
// For calls that were cancelled to notice it.
constexpr std::chrono::seconds kCancelGrace(5);
// For the last answers to leave, and for health watchers to be closed.
constexpr std::chrono::milliseconds kShutdownGrace(500);

Clock::duration ToClock(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// The switches are process-wide; they must be set before the first server is built.
void InitGrpcOnce() {
  static const bool done = [] {
    grpc::EnableDefaultHealthCheckService(true);
    return true;
  }();
  (void)done;
}

void SetUpReflectionOnce() {
  static const bool done = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)done;
}

void SetLimits(const config::v1::ServerConfig& config, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.max_receive_bytes()));
  // Answers are ours; what they may hold is bounded by the request.
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(config.handshake_timeout_seconds() * 1e3));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             static_cast<int>(config.max_connection_age_seconds() * 1e3));
  // Peers that vanished without a word, and how often peers may ask.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace

Server::Server(const config::v1::ServerConfig& config, CallGate& gate, std::vector<ServedService> services)
    : config_(config), gate_(gate), services_(std::move(services)), healthy_(services_.size(), false) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const config::v1::ServerConfig& config, CallGate& gate,
                                                      std::vector<ServedService> services,
                                                      telemetry::Metrics* metrics) {
  InitGrpcOnce();
  if (config.reflection()) SetUpReflectionOnce();
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                   MakeServerCredentials(config.has_tls() ? &config.tls() : nullptr));
  auto server = std::unique_ptr<Server>(new Server(config, gate, std::move(services)));
  grpc::ServerBuilder builder;
  SetLimits(config, builder);
  // gRPC's own listener is deaf for ever once accept has failed for want of a descriptor, and has no cap.
  const std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> connections =
      builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  for (const ServedService& service : server->services_) builder.RegisterService(service.service);
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Open(config.listen_address());
  if (!listener.ok()) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", config.listen_address(), " (",
                                               listener.status().message(),
                                               "): stop what listens there, or set another listen_address (port 0 "
                                               "takes a free one)"));
  }
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) return absl::InternalError("gRPC did not start its server");
  server->port_ = (*listener)->port();
  server->address_ = ToString((*listener)->address());
  server->acceptor_ = std::make_unique<ConnectionAcceptor>(
      *std::move(listener),
      ConnectionAcceptor::Options{.max_connections = config.max_connections(), .metrics = metrics},
      [connections](UniqueFd connection) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
        // gRPC closes it.
        parameters.fd = connection.release();
        connections->HandleNewConnection(&parameters);
      });
  server->UpdateHealth();
  server->health_thread_ = std::thread([raw = server.get()] { raw->WatchHealth(); });
  return server;
}

Server::~Server() {
  if (server_ == nullptr || !StopHealth()) return;
  gate_.BeginDrain();
  gate_.CancelAll(MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining, "the server stopped"));
  gate_.WaitEmpty(Clock::now() + kCancelGrace);
  acceptor_->Stop();
  server_->Shutdown(ToGrpcDeadline(Clock::now()));
}

bool Server::serving() const {
  MutexLock lock(mutex_);
  return serving_ && !draining_;
}

bool Server::HasRoom() {
  const absl::Status room = acceptor_->Health();
  if (room.ok() && !has_room_) telemetry::Log(telemetry::LogLevel::kInfo, "", "room for connections again");
  if (!room.ok() && has_room_) {
    telemetry::LogStatus(telemetry::LogLevel::kWarn, "", "not serving: no room for connections", room);
  }
  has_room_ = room.ok();
  return has_room_;
}

void Server::UpdateHealth() {
  grpc::HealthCheckServiceInterface* const health = server_->GetHealthCheckService();
  const bool has_room = HasRoom();
  bool all = has_room;
  for (size_t i = 0; i < services_.size(); ++i) {
    const absl::Status status = services_[i].health ? services_[i].health() : absl::OkStatus();
    if (status.ok() != healthy_[i]) {
      if (status.ok()) {
        telemetry::Log(telemetry::LogLevel::kInfo, "", "serving", {{"grpc_service", services_[i].full_name}});
      } else {
        telemetry::LogStatus(telemetry::LogLevel::kWarn, "", "not serving", status,
                             {{"grpc_service", services_[i].full_name}});
      }
    }
    healthy_[i] = status.ok();
    all = all && status.ok();
  }
  MutexLock lock(mutex_);
  if (draining_) return;
  for (size_t i = 0; i < services_.size(); ++i) {
    health->SetServingStatus(services_[i].full_name, healthy_[i] && has_room);
  }
  health->SetServingStatus("", all);
  serving_ = all;
}

void Server::WatchHealth() {
  while (true) {
    {
      MutexLock lock(mutex_);
      const Clock::time_point next = Clock::now() + kHealthInterval;
      while (!draining_ && changed_.WaitUntil(mutex_, next)) {
      }
      if (draining_) return;
    }
    UpdateHealth();
  }
}

bool Server::StopHealth() {
  {
    MutexLock lock(mutex_);
    if (draining_) return false;
    draining_ = true;
    // Sets every name NOT_SERVING and lets nobody change that.
    server_->GetHealthCheckService()->Shutdown();
  }
  changed_.NotifyAll();
  health_thread_.join();
  return true;
}

absl::Status Server::Drain(const std::function<void()>& on_refuse) {
  if (!StopHealth()) return absl::OkStatus();
  std::this_thread::sleep_for(ToClock(config_.drain_grace_seconds()));
  // First the port, so that nobody connects to be refused.
  acceptor_->Stop();
  gate_.BeginDrain();
  if (on_refuse) on_refuse();
  // Tells clients to take their next calls elsewhere, while calls under way go on. Refusing them here for so long would
  // cost clients their retries.
  const Clock::duration longest = ToClock(config_.drain_seconds()) + kCancelGrace + kShutdownGrace;
  const std::future<void> closed =
      std::async(std::launch::async, [&] { server_->Shutdown(ToGrpcDeadline(Clock::now() + longest)); });
  absl::Status status;
  if (!gate_.WaitEmpty(Clock::now() + ToClock(config_.drain_seconds()))) {
    status = MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining,
                       absl::StrCat("the server stopped before this call was done; ", gate_.calls(),
                                    " calls took longer than its drain_seconds, ", config_.drain_seconds()));
    gate_.CancelAll(status);
    gate_.WaitEmpty(Clock::now() + kCancelGrace);
  }
  // Who is left then watches health or reads reflection.
  if (closed.wait_for(kShutdownGrace) != std::future_status::ready) {
    grpc_server_cancel_all_calls(server_->c_server());
    closed.wait();
  }
  return status;
}

}  // namespace reelsight::rpc
