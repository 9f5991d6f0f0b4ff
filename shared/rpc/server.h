// SPDX-License-Identifier: Apache-2.0
//
// One gRPC server: port, TLS, limits, health, reflection, and the way it stops. It knows no service of ours by name.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/base/mutex.h"
#include "shared/rpc/call_gate.h"
#include "shared/rpc/connection_acceptor.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::rpc {

// A service on offer. Borrowed; must outlive the server.
struct ServedService {
  grpc::Service* service = nullptr;
  // As in `T::service_full_name()`; the name that health checks use.
  std::string full_name;
  // OK if it can serve now, else why not. Asked at start and every second, on a thread of the server's; it may block a
  // little. None: always OK.
  std::function<absl::Status()> health;
};

// Thread-safe.
class Server {
 public:
  // Starts to listen. `config` has its defaults; `metrics` may be null. UNAVAILABLE, naming the address, if it cannot
  // listen there.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const config::v1::ServerConfig& config, CallGate& gate,
                                                       std::vector<ServedService> services,
                                                       telemetry::Metrics* metrics = nullptr);
  // Drains with no time for calls under way, unless Drain was called.
  ~Server();

  // `host:port` with the port really taken.
  const std::string& address() const { return address_; }
  int port() const { return port_; }

  // Stops: health says NOT_SERVING; for drain_grace_seconds calls are still taken; then the port is closed,
  // clients are told to go elsewhere, what they still send here is refused with UNAVAILABLE, `on_refuse` runs, and
  // calls under way have drain_seconds to finish; then they are cancelled. Blocks until all is over. Returns OK if no
  // call had to be cancelled. Later calls do nothing.
  absl::Status Drain(const std::function<void()>& on_refuse = nullptr);

  // True if all services are healthy, the server does not drain, and it has room for connections and descriptors left.
  bool serving() const;

 private:
  Server(const config::v1::ServerConfig& config, CallGate& gate, std::vector<ServedService> services);
  void UpdateHealth() ABSL_LOCKS_EXCLUDED(mutex_);
  void WatchHealth();
  // Withdraws health for good. Returns false if that was done before.
  bool StopHealth();
  // Whether there is room for connections; logs when that changes.
  bool HasRoom();

  const config::v1::ServerConfig config_;
  CallGate& gate_;
  const std::vector<ServedService> services_;
  std::string address_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // Health thread only.
  std::vector<bool> healthy_;
  bool has_room_ = true;
  std::thread health_thread_;
};

}  // namespace reelsight::rpc
