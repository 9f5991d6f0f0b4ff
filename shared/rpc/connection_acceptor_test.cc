// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/connection_acceptor.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

constexpr int kLongMs = 30'000;

class ConnectionAcceptorTest : public testing::Test {
 protected:
  void Start(int max_connections) {
    auto listener = Listener::Open("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    acceptor_ = std::make_unique<ConnectionAcceptor>(*std::move(listener),
                                                     ConnectionAcceptor::Options{.max_connections = max_connections},
                                                     [this](UniqueFd connection) {
                                                       // Tells the client that it is in.
                                                       (void)!write(connection.get(), "+", 1);
                                                       MutexLock lock(mutex_);
                                                       accepted_.push_back(std::move(connection));
                                                     });
  }
  // The client's end, and whether it was let in.
  std::pair<UniqueFd, bool> Connect() const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(acceptor_->port()));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return {std::move(fd), false};
    }
    pollfd ready = {fd.get(), POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, kLongMs), 1) << "neither let in nor turned away";
    char byte = 0;
    const bool in = read(fd.get(), &byte, 1) == 1;
    return {std::move(fd), in};
  }
  void CloseAccepted(size_t count) {
    MutexLock lock(mutex_);
    accepted_.erase(accepted_.begin(), accepted_.begin() + static_cast<int64_t>(count));
  }

  Mutex mutex_;
  std::vector<UniqueFd> accepted_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<ConnectionAcceptor> acceptor_;
};

TEST_F(ConnectionAcceptorTest, OneTooManyIsTurnedAwayAtOnceUntilOthersAreGone) {
  Start(3);
  std::vector<UniqueFd> clients;
  EXPECT_TRUE(acceptor_->Health().ok());
  for (int i = 0; i < 3; ++i) {
    auto [client, in] = Connect();
    EXPECT_TRUE(in);
    clients.push_back(std::move(client));
  }
  EXPECT_FALSE(Connect().second);
  const absl::Status full = acceptor_->Health();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(full), "SERVER_BUSY");
  EXPECT_EQ(acceptor_->connections(), 3);
  CloseAccepted(2);
  // Their numbers may stand for something else by now.
  const UniqueFd other(dup(0)), another(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_TRUE(acceptor_->Health().ok());
  EXPECT_EQ(acceptor_->connections(), 1);
  EXPECT_TRUE(Connect().second);
}

TEST_F(ConnectionAcceptorTest, ThePortClosesAndConnectionsLiveOn) {
  Start(3);
  const auto [client, in] = Connect();
  ASSERT_TRUE(in);
  acceptor_->Stop();
  acceptor_->Stop();
  EXPECT_FALSE(Connect().second);
  MutexLock lock(mutex_);
  EXPECT_EQ(write(accepted_[0].get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(client.get(), &byte, 1), 1);
}

TEST(ConnectionCapTest, LeavesDescriptorsForOtherThings) {
  EXPECT_EQ(ConnectionAcceptor::Cap(1024, 1'048'576, 60), 1024);
  EXPECT_EQ(ConnectionAcceptor::Cap(1024, 1024, 64), 480);
  EXPECT_EQ(ConnectionAcceptor::Cap(1024, 256, 56), 100);
  EXPECT_EQ(ConnectionAcceptor::Cap(100'000, 20'000, 100), 19'388);
  EXPECT_EQ(ConnectionAcceptor::Cap(1024, 64, 64), 1);
  EXPECT_EQ(ConnectionAcceptor::Cap(1024, 64, 100), 1);
}

}  // namespace
}  // namespace reelsight::rpc
