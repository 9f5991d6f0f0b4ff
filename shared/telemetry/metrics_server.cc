// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/metrics_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace reelsight::telemetry {
namespace {

constexpr size_t kMaxRequestBytes = 8 << 10;
constexpr int kStarvedPauseMs = 20;

std::string Response(absl::string_view status, absl::string_view body, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
                      "Content-Length: ", body.size(), "\r\nConnection: close\r\n\r\n", with_body ? body : "");
}

}  // namespace

MetricsServer::MetricsServer(std::unique_ptr<Listener> listener, Options options, std::function<std::string()> text)
    : listener_(std::move(listener)),
      options_(options),
      text_(std::move(text)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Work(); });
}

MetricsServer::~MetricsServer() {
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void MetricsServer::Work() {
  bool starved = false;
  while (true) {
    std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}};
    if (!starved) {
      for (const UniqueFd& socket : listener_->sockets()) polled.push_back({socket.get(), POLLIN, 0});
    }
    const size_t first = polled.size();
    Clock::time_point next = Clock::time_point::max();
    for (const Connection& connection : connections_) {
      const bool sends = !connection.answer.empty();
      polled.push_back({connection.fd.get(), static_cast<int16_t>(sends ? POLLOUT : POLLIN), 0});
      next = std::min(next, connection.end);
    }
    int wait_ms = starved ? kStarvedPauseMs : -1;
    if (!connections_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
      wait_ms = static_cast<int>(std::clamp<int64_t>(left, 0, starved ? kStarvedPauseMs : 60'000));
    }
    poll(polled.data(), polled.size(), wait_ms);
    if (polled[0].revents != 0) return;
    size_t place = first;
    const Clock::time_point now = Clock::now();
    for (auto it = connections_.begin(); it != connections_.end(); ++place) {
      const bool goes_on = now < it->end && (polled[place].revents == 0 || Advance(*it));
      it = goes_on ? std::next(it) : connections_.erase(it);
    }
    starved = !Accept();
  }
}

bool MetricsServer::Accept() {
  while (true) {
    UniqueFd fd;
    switch (listener_->Accept(&fd)) {
      case Listener::Outcome::kAccepted:
        while (static_cast<int>(connections_.size()) >= options_.max_connections) connections_.pop_front();
        connections_.push_back({std::move(fd), Clock::now() + options_.timeout, "", ""});
        // Its request is often there already, and a place given away at once serves nobody.
        if (!Advance(connections_.back())) connections_.pop_back();
        break;
      case Listener::Outcome::kNone:
        return true;
      case Listener::Outcome::kRefused:
        break;
      case Listener::Outcome::kStarved:
        return false;
    }
  }
}

bool MetricsServer::Advance(Connection& connection) {
  char buffer[4096];
  while (connection.answer.empty()) {
    const ssize_t count = recv(connection.fd.get(), buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    connection.request.append(buffer, static_cast<size_t>(count));
    if (absl::StrContains(connection.request, "\r\n\r\n")) {
      connection.answer = Answer(connection.request);
    } else if (connection.request.size() > kMaxRequestBytes) {
      connection.answer = Response("431 Request Header Fields Too Large", "the request is too long\n", true);
    }
  }
  while (!connection.answer.empty()) {
    const ssize_t count = send(connection.fd.get(), connection.answer.data(), connection.answer.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    connection.answer.erase(0, static_cast<size_t>(count));
  }
  // What the peer still sends must not make the answer's end a reset.
  shutdown(connection.fd.get(), SHUT_WR);
  return false;
}

std::string MetricsServer::Answer(const std::string& request) const {
  const std::string line = request.substr(0, request.find("\r\n"));
  const size_t space = line.find(' ');
  const std::string method = line.substr(0, space);
  const std::string target =
      space == std::string::npos ? "" : line.substr(space + 1, line.find(' ', space + 1) - space - 1);
  if (method != "GET" && method != "HEAD") return Response("405 Method Not Allowed", "only GET and HEAD\n", true);
  if (target.substr(0, target.find('?')) != "/metrics") {
    return Response("404 Not Found", "see /metrics\n", method == "GET");
  }
  return Response("200 OK", text_(), method == "GET");
}

}  // namespace reelsight::telemetry
