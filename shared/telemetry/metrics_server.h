// SPDX-License-Identifier: Apache-2.0
//
// Answers `GET /metrics` over HTTP/1.1, and nothing else: one answer a connection, one thread. Scrapers of all kinds
// are served however many others hold connections open: there is room for a few, each has some seconds for its request,
// and where all places are taken the oldest makes way.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "shared/base/listener.h"
#include "shared/base/unique_fd.h"

namespace reelsight::telemetry {

// Thread-safe.
class MetricsServer {
 public:
  struct Options {
    // Connections at once, >= 1.
    int max_connections = 16;
    // From a connection's arrival to the end of the answer.
    std::chrono::milliseconds timeout{10'000};
  };

  // `text` makes the body; it runs on the server's thread.
  MetricsServer(std::unique_ptr<Listener> listener, Options options, std::function<std::string()> text);
  // Closes the port and all connections.
  ~MetricsServer();

  int port() const { return listener_->port(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    UniqueFd fd;
    Clock::time_point end;
    std::string request;
    // What is left to send; once it is there, nothing more is read.
    std::string answer;
  };

  void Work();
  // Takes in what waits at the port. False if it makes sense to pause.
  bool Accept();
  // Goes on with a connection as far as it does not block. False when it is over.
  bool Advance(Connection& connection);
  std::string Answer(const std::string& request) const;

  const std::unique_ptr<Listener> listener_;
  const Options options_;
  const std::function<std::string()> text_;
  const UniqueFd wake_;
  // The thread's. Oldest first.
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace reelsight::telemetry
