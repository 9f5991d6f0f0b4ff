// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/http_test_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace reelsight::testing {

HttpTestServer::HttpTestServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
  listen(listener_, 16);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

HttpTestServer::~HttpTestServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& conversation : conversations_) conversation.join();
  for (const int fd : fds_) close(fd);
}

std::string HttpTestServer::Url(const std::string& target, const std::string& host) const {
  return absl::StrCat("http://", host, ":", port_, target);
}

std::vector<HttpTestServer::Request> HttpTestServer::requests() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

HttpTestServer::Response HttpTestServer::Serve(const Request& request, const std::string& file) {
  Response response;
  response.headers = {"Content-Type: video/mp4", "ETag: \"one\"", "Accept-Ranges: bytes"};
  if (request.range_start < 0) {
    response.body = file;
  } else if (request.range_start >= static_cast<int64_t>(file.size())) {
    response.status = 416;
    response.headers.push_back(absl::StrCat("Content-Range: bytes */", file.size()));
  } else {
    response.status = 206;
    response.headers.push_back(
        absl::StrCat("Content-Range: bytes ", request.range_start, "-", file.size() - 1, "/", file.size()));
    response.body = file.substr(static_cast<size_t>(request.range_start));
  }
  return response;
}

void HttpTestServer::Accept() {
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    std::lock_guard<std::mutex> lock(mutex_);
    fds_.push_back(fd);
    conversations_.emplace_back([this, fd] { Converse(fd); });
  }
}

void HttpTestServer::Converse(int fd) {
  std::string input;
  char buffer[4096];
  while (!stopping_) {
    size_t end = input.find("\r\n\r\n");
    if (end == std::string::npos) {
      const ssize_t count = recv(fd, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      input.append(buffer, static_cast<size_t>(count));
      continue;
    }
    Request request;
    std::istringstream lines(input.substr(0, end));
    input.erase(0, end + 4);
    std::string line, method;
    std::getline(lines, line);
    std::istringstream(line) >> method >> request.target;
    while (std::getline(lines, line)) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      request.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    absl::string_view range = request.headers["range"];
    if (absl::ConsumePrefix(&range, "bytes=")) {
      (void)absl::SimpleAtoi(range.substr(0, range.find('-')), &request.range_start);
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      requests_.push_back(request);
    }
    ++request_count_;
    const Response response = handler_(request);
    std::string head = absl::StrCat("HTTP/1.1 ", response.status, " Whatever\r\n");
    for (const std::string& header : response.headers) absl::StrAppend(&head, header, "\r\n");
    if (response.tell_length) absl::StrAppend(&head, "Content-Length: ", response.body.size(), "\r\n");
    absl::StrAppend(&head, "\r\n");
    if (send(fd, head.data(), head.size(), MSG_NOSIGNAL) < 0) break;
    const size_t limit = response.break_after_bytes < 0
                             ? response.body.size()
                             : std::min(response.body.size(), static_cast<size_t>(response.break_after_bytes));
    bool broken = response.break_after_bytes >= 0 || !response.tell_length;
    for (size_t at = 0; at < limit && !stopping_;) {
      if (response.piece_delay.count() > 0) std::this_thread::sleep_for(response.piece_delay);
      const ssize_t count =
          send(fd, response.body.data() + at, std::min(response.piece_bytes, limit - at), MSG_NOSIGNAL);
      if (count <= 0) {
        broken = true;
        break;
      }
      at += static_cast<size_t>(count);
      sent_bytes_ += count;
    }
    if (broken) break;
  }
  shutdown(fd, SHUT_RDWR);
}

}  // namespace reelsight::testing
