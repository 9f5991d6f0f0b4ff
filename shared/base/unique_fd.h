// SPDX-License-Identifier: Apache-2.0
//
// Owner of one file descriptor.
#pragma once

#include <unistd.h>

#include <utility>

namespace reelsight {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  // Closes it now.
  void reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // Gives it away.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace reelsight
