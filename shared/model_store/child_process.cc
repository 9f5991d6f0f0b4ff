// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

extern char** environ;

namespace reelsight::model_store {
namespace {

constexpr int kTickMs = 100;
constexpr size_t kMostErrorBytes = 64 << 10;

// Starts it with standard error into `error_fd`.
absl::Status Spawn(const std::vector<std::string>& command, int error_fd, pid_t* child) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, error_fd, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  std::vector<char*> arguments;
  for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
  arguments.push_back(nullptr);
  const int error = posix_spawnp(child, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error == 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("cannot run ", command[0], ": ", std::strerror(error)));
}

// Reads what is there; false at the end.
bool Drain(int fd, std::string* text) {
  std::array<char, 4096> buffer;
  const ssize_t count = read(fd, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  text->append(buffer.data(), static_cast<size_t>(count));
  if (text->size() > kMostErrorBytes) text->erase(0, text->size() - kMostErrorBytes);
  return count > 0;
}

std::string LastLine(const std::string& text) {
  std::string last = "no message";
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(line);
    if (!stripped.empty()) last = std::string(stripped);
  }
  return last;
}

}  // namespace

absl::Status RunChild(const std::vector<std::string>& command, const CancelToken& cancel,
                      const std::function<void()>& on_tick) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return absl::InternalError(absl::StrCat("pipe: ", std::strerror(errno)));
  pid_t child = 0;
  absl::Status started = Spawn(command, ends[1], &child);
  close(ends[1]);
  if (!started.ok()) {
    close(ends[0]);
    return started;
  }
  std::string errors;
  int state = 0;
  bool ended = false, open = true;
  while (!ended) {
    pollfd ready = {ends[0], POLLIN, 0};
    poll(&ready, open ? 1 : 0, kTickMs);
    if (open && ready.revents != 0) open = Drain(ends[0], &errors);
    if (cancel.cancelled()) kill(-child, SIGKILL);
    if (on_tick) on_tick();
    ended = waitpid(child, &state, WNOHANG) == child;
  }
  while (open && Drain(ends[0], &errors)) {
    // A grandchild may hold the other end open for longer than anybody wants to wait.
    pollfd ready = {ends[0], POLLIN, 0};
    if (poll(&ready, 1, 0) <= 0) break;
  }
  close(ends[0]);
  if (const absl::Status status = cancel.status(); !status.ok()) return status;
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return absl::OkStatus();
  return absl::InternalError(LastLine(errors));
}

}  // namespace reelsight::model_store
