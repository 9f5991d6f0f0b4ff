// SPDX-License-Identifier: Apache-2.0
//
// Accepts a server's connections, in a thread of its own, and hands them on: no more at once than a cap, so that files,
// sources and models always have descriptors left, and none is kept waiting for room: one too many is closed at once.
// See docs/adr/0024-own-accept-loop.md.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "shared/base/listener.h"
#include "shared/base/mutex.h"
#include "shared/base/unique_fd.h"
#include "shared/process/descriptors.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::rpc {

// Thread-safe.
class ConnectionAcceptor {
 public:
  struct Options {
    // Most connections at once, >= 1. Fewer where the process may not have the descriptors: see Cap.
    int max_connections = 1024;
    // May be null.
    telemetry::Metrics* metrics = nullptr;
  };
  // Takes a connection, which it must close some day; runs on the acceptor's thread.
  using Handler = std::function<void(UniqueFd connection)>;

  ConnectionAcceptor(std::unique_ptr<Listener> listener, Options options, Handler handler);
  ~ConnectionAcceptor();

  int port() const { return listener_->port(); }
  // Closes the port. Connections that were handed on live on. Later calls do nothing.
  void Stop();

  // OK, or RESOURCE_EXHAUSTED: the process has hardly a descriptor left, or all connections are taken. Looks at the
  // limits anew; to be asked about once a second, by one thread.
  absl::Status Health();
  // Connections that are open, as of the last look.
  int connections() const;

  // Connections for a process that may have `limit` descriptors and had `open` before its first connection: a half of
  // the rest stays for other things, but no more than 512.
  static int Cap(int max_connections, int64_t limit, int64_t open);

 private:
  using Clock = std::chrono::steady_clock;
  // A connection is open as long as its number stands for the same socket.
  struct Connection {
    int fd = -1;
    ino_t inode = 0;
  };

  void Work();
  // Takes in or refuses one connection.
  void Take(UniqueFd connection);
  void Refused();
  // Forgets the connections that were closed.
  void Sweep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<Listener> listener_;
  const Options options_;
  const Handler handler_;
  const UniqueFd wake_;
  const process::DescriptorCount descriptors_;
  const int64_t open_at_start_;

  mutable Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int cap_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<Connection> connections_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point swept_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace reelsight::rpc
