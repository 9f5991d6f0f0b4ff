// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/connection_acceptor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

constexpr int64_t kMostKeptFree = 512;
// With fewer free descriptors the server says that it cannot serve.
constexpr int64_t kFewFree = 16;
// Where connections are refused one after the other, which of the others are gone is not looked at for each.
constexpr std::chrono::milliseconds kSweepPause(5);
// While the reserve is used up by others.
constexpr int kStarvedPauseMs = 20;

ino_t InodeOf(int fd) {
  struct stat info = {};
  return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(std::unique_ptr<Listener> listener, Options options, Handler handler)
    : listener_(std::move(listener)),
      options_(options),
      handler_(std::move(handler)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      open_at_start_(descriptors_.open()) {
  {
    MutexLock lock(mutex_);
    cap_ = Cap(options_.max_connections, descriptors_.limit(), open_at_start_);
  }
  thread_ = std::thread([this] { Work(); });
}

ConnectionAcceptor::~ConnectionAcceptor() { Stop(); }

int ConnectionAcceptor::Cap(int max_connections, int64_t limit, int64_t open) {
  const int64_t room = std::max<int64_t>(0, limit - open);
  return static_cast<int>(std::clamp<int64_t>(room - std::min(room / 2, kMostKeptFree), 1, max_connections));
}

void ConnectionAcceptor::Stop() {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
  listener_->Close();
}

void ConnectionAcceptor::Work() {
  std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}};
  for (const UniqueFd& socket : listener_->sockets()) polled.push_back({socket.get(), POLLIN, 0});
  while (true) {
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
    }
    UniqueFd connection;
    switch (listener_->Accept(&connection)) {
      case Listener::Outcome::kAccepted:
        Take(std::move(connection));
        break;
      case Listener::Outcome::kNone:
        poll(polled.data(), polled.size(), -1);
        break;
      case Listener::Outcome::kRefused:
        Refused();
        break;
      case Listener::Outcome::kStarved:
        poll(polled.data(), 1, kStarvedPauseMs);
        break;
    }
  }
}

void ConnectionAcceptor::Take(UniqueFd connection) {
  {
    MutexLock lock(mutex_);
    if (static_cast<int>(connections_.size()) >= cap_ && Clock::now() >= swept_ + kSweepPause) Sweep();
    if (static_cast<int>(connections_.size()) < cap_) {
      connections_.push_back({connection.get(), InodeOf(connection.get())});
    } else {
      connection.reset();
    }
  }
  if (!connection.ok()) return Refused();
  handler_(std::move(connection));
}

void ConnectionAcceptor::Refused() {
  if (options_.metrics != nullptr) options_.metrics->rpc().connections_refused_total.Add({});
}

void ConnectionAcceptor::Sweep() {
  std::erase_if(connections_, [](const Connection& connection) {
    return connection.inode == 0 || InodeOf(connection.fd) != connection.inode;
  });
  swept_ = Clock::now();
}

absl::Status ConnectionAcceptor::Health() {
  const int64_t limit = descriptors_.limit();
  const int64_t free = limit - descriptors_.open();
  MutexLock lock(mutex_);
  cap_ = Cap(options_.max_connections, limit, open_at_start_);
  Sweep();
  const int count = static_cast<int>(connections_.size());
  if (options_.metrics != nullptr) options_.metrics->rpc().connections.Set({}, count);
  if (free < std::min(kFewFree, limit / 4)) {
    return MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                     absl::StrCat("only ", std::max<int64_t>(0, free), " of ", limit,
                                  " file descriptors are free (RLIMIT_NOFILE); new connections may be closed at once"));
  }
  if (count >= cap_) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
        absl::StrCat("all ", cap_, " connections are in use (server.max_connections ", options_.max_connections, ", ",
                     limit, " file descriptors); new ones are closed at once"));
  }
  return absl::OkStatus();
}

int ConnectionAcceptor::connections() const {
  MutexLock lock(mutex_);
  return static_cast<int>(connections_.size());
}

}  // namespace reelsight::rpc
