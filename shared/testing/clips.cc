// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/clips.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>

#include "gtest/gtest.h"

extern char** environ;

namespace reelsight::testing {
namespace {

// Owned by a static object, so that the folder goes when the process ends.
struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "reelsight_clips_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

std::string NewPath(const std::string& suffix) {
  static std::atomic<int> counter = 0;
  return ClipFolder() + "/clip_" + std::to_string(counter++) + suffix;
}

// Exit status, or -1 if the program could not be started. Output goes to the two files.
int Spawn(const std::vector<std::string>& command, const std::string& out, const std::string& err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

const std::string& ClipFolder() {
  static const Folder folder;
  return folder.path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string WriteClip(const std::string& bytes, const std::string& suffix) {
  std::string path = NewPath(suffix);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string RunProgram(const std::vector<std::string>& command) {
  const std::string out = NewPath(".out");
  const std::string err = NewPath(".err");
  const int status = Spawn(command, out, err);
  if (status != 0) {
    std::ostringstream line;
    for (const std::string& argument : command) line << argument << ' ';
    ADD_FAILURE() << line.str() << "ended with " << status << ": " << ReadFile(err);
  }
  std::string output = ReadFile(out);
  std::filesystem::remove(out);
  std::filesystem::remove(err);
  return output;
}

std::string GenerateClip(const std::vector<std::string>& args, const std::string& suffix) {
  static std::mutex mutex;
  static std::map<std::pair<std::vector<std::string>, std::string>, std::string> made;
  const std::lock_guard<std::mutex> lock(mutex);
  std::string& path = made[{args, suffix}];
  if (path.empty()) {
    path = NewPath(suffix);
    std::vector<std::string> command = {"ffmpeg", "-nostdin", "-v", "error", "-y"};
    command.insert(command.end(), args.begin(), args.end());
    command.push_back(path);
    RunProgram(command);
  }
  return path;
}

std::vector<std::string> TestPicture(int width_px, int height_px, int frame_count, int fps) {
  return {
      "-f",
      "lavfi",
      "-i",
      "testsrc2=size=" + std::to_string(width_px) + "x" + std::to_string(height_px) + ":rate=" + std::to_string(fps),
      "-frames:v",
      std::to_string(frame_count)};
}

std::vector<std::string> Join(std::vector<std::string> first, const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace reelsight::testing
