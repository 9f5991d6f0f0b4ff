// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "cli/exit_code.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

// A handler may only touch lock-free atomics and call async-signal-safe functions. It writes to a pipe that a thread
// reads; that thread cancels the token.
std::atomic<int> signal_count{0};
std::atomic<int> wake_fd{-1};
std::array<int, 2> pipe_fds{-1, -1};
struct sigaction old_int, old_term, old_pipe;

void OnSignal(int) {
  if (signal_count.fetch_add(1) >= 1) {
    // Shows the cursor's line whole again: the shell's prompt begins on a new one.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, "\n", 1);
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }
  const char byte = 's';
  [[maybe_unused]] const ssize_t written = write(wake_fd.load(), &byte, 1);
}

}  // namespace

InterruptHandler::InterruptHandler(CancelToken token) : token_(std::move(token)) {
  signal_count = 0;
  if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return;
  wake_fd = pipe_fds[1];
  thread_ = std::thread([this] {
    char byte = 0;
    while (read(pipe_fds[0], &byte, 1) < 0 && errno == EINTR) {
    }
    if (byte == 's') token_.Cancel(MakeError(absl::StatusCode::kCancelled, Reason::kCancelled, "interrupted"));
  });
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int);
  sigaction(SIGTERM, &action, &old_term);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, &old_pipe);
}

InterruptHandler::~InterruptHandler() {
  if (!thread_.joinable()) return;
  sigaction(SIGINT, &old_int, nullptr);
  sigaction(SIGTERM, &old_term, nullptr);
  sigaction(SIGPIPE, &old_pipe, nullptr);
  const char quit = 'q';
  [[maybe_unused]] const ssize_t written = write(pipe_fds[1], &quit, 1);
  thread_.join();
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

bool InterruptHandler::interrupted() { return signal_count.load() > 0; }

}  // namespace reelsight::cli
