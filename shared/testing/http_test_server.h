// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP/1.1 server on a free port of the loopback interface, for tests of what misbehaving servers do.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace reelsight::testing {

class HttpTestServer {
 public:
  struct Request {
    std::string target;
    // Names in lower case.
    std::map<std::string, std::string> headers;
    // Of `Range: bytes=N-`; -1: none.
    int64_t range_start = -1;
  };
  struct Response {
    int status = 200;
    // Lines `Name: value`.
    std::vector<std::string> headers;
    std::string body;
    // The connection breaks after this many bytes of the body; -1: it does not.
    int64_t break_after_bytes = -1;
    // If false, no Content-Length: the body ends with the connection.
    bool tell_length = true;
    // Pause before each piece of the body, and size of a piece.
    std::chrono::milliseconds piece_delay{0};
    size_t piece_bytes = 64 << 10;
  };
  using Handler = std::function<Response(const Request&)>;

  explicit HttpTestServer(Handler handler);
  ~HttpTestServer();

  // `http://127.0.0.1:PORT` and `target`; another host may stand in.
  std::string Url(const std::string& target, const std::string& host = "127.0.0.1") const;
  int request_count() const { return request_count_; }
  int64_t sent_bytes() const { return sent_bytes_; }
  std::vector<Request> requests() const;

  // Answers as a good server does: ranges, an ETag.
  static Response Serve(const Request& request, const std::string& file);

 private:
  void Accept();
  void Converse(int fd);

  const Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> request_count_ = 0;
  std::atomic<int64_t> sent_bytes_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::vector<std::thread> conversations_;
  std::vector<int> fds_;
  std::thread acceptor_;
};

}  // namespace reelsight::testing
