// SPDX-License-Identifier: Apache-2.0
#include "shared/process/program.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/process/signals.h"
#include "shared/process/version.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::process {
namespace {

using ::testing::HasSubstr;

ProgramInfo Info() {
  ProgramInfo info{.name = "reelsight-test", .description = "A test.", .examples = "  reelsight-test\n"};
  info.settings = ServerSettings();
  info.settings.push_back({"threads", "threads", "Threads"});
  info.settings.push_back({"analyzers", "analyzers", "Analyzers"});
  return info;
}

struct Read {
  absl::StatusOr<CommandLine> line;
  config::v1::AnalyzerServiceConfig config;
};

Read ReadWith(std::vector<const char*> arguments, std::map<std::string, std::string> environment = {}) {
  arguments.insert(arguments.begin(), "reelsight-test");
  Read read;
  read.line = ReadConfiguration(
      Info(), static_cast<int>(arguments.size()), arguments.data(),
      [&](const std::string& name) -> std::optional<std::string> {
        const auto it = environment.find(name);
        return it == environment.end() ? std::nullopt : std::optional<std::string>(it->second);
      },
      &read.config);
  return read;
}

std::string WriteConfig(const testing::ScratchFolder& folder, const std::string& text) {
  std::string path = folder / "config.textproto";
  std::ofstream(path) << text;
  return path;
}

TEST(ProgramTest, FlagBeatsEnvironmentBeatsFile) {
  const testing::ScratchFolder folder;
  const std::string file = WriteConfig(folder, "threads: 1 server { drain_seconds: 1 log { level: \"warn\" } }");
  const Read read =
      ReadWith({"--config", file.c_str(), "--threads", "3"},
               {{"REELSIGHT_THREADS", "2"}, {"REELSIGHT_DRAIN_SECONDS", "2.5"}, {"REELSIGHT_LOG_FORMAT", "json"}});
  ASSERT_TRUE(read.line.ok()) << read.line.status();
  EXPECT_EQ(read.config.threads(), 3);
  EXPECT_EQ(read.config.server().drain_seconds(), 2.5);
  EXPECT_EQ(read.config.server().log().level(), "warn");
  EXPECT_EQ(read.config.server().log().format(), config::v1::LogConfig::JSON);
}

TEST(ProgramTest, ListReplacesTheFilesAndFileComesFromTheEnvironmentToo) {
  const testing::ScratchFolder folder;
  const std::string file = WriteConfig(folder, "analyzers: \"a\" analyzers: \"b\"");
  const Read read = ReadWith({"--analyzers=c,d"}, {{"REELSIGHT_CONFIG", file}});
  ASSERT_TRUE(read.line.ok()) << read.line.status();
  EXPECT_THAT(read.config.analyzers(), ::testing::ElementsAre("c", "d"));
}

TEST(ProgramTest, ErrorsNameTheirOrigin) {
  const auto message = [](const Read& read) { return std::string(read.line.status().message()); };
  EXPECT_THAT(message(ReadWith({"--threads", "many"})), HasSubstr("--threads"));
  EXPECT_THAT(message(ReadWith({}, {{"REELSIGHT_THREADS", "x"}})), HasSubstr("REELSIGHT_THREADS"));
  EXPECT_THAT(message(ReadWith({"--log_format", "xml"})), HasSubstr("text, json"));
  EXPECT_THAT(message(ReadWith({"--treads", "2"})), HasSubstr("--treads"));
  EXPECT_THAT(message(ReadWith({"--reflection", "yes"})), HasSubstr("true or false"));
}

TEST(ProgramTest, HelpVersionAndCheck) {
  const Read help = ReadWith({"--help"});
  EXPECT_EQ(help.line->action, CommandLine::Action::kHelp);
  EXPECT_THAT(help.line->text, HasSubstr("--listen_address"));
  EXPECT_THAT(help.line->text, HasSubstr("Examples:"));
  EXPECT_EQ(ReadWith({"--version"}).line->text, std::string("reelsight-test ") + Version() + "\n");
  EXPECT_EQ(ReadWith({"--check_config"}).line->action, CommandLine::Action::kCheckConfig);
}

// Runs `run` as a program in a child process that sends itself `signals`; returns the exit status.
int ExitStatusAfter(int signals, bool stops) {
  const pid_t child = fork();
  if (child == 0) {
    BlockSignals();
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0) _exit(99);
    SignalWatcher watcher([&](int) {
      if (stops) close(pipe_fds[1]);
      if (signals > 1) kill(getpid(), SIGTERM);
    });
    kill(getpid(), SIGINT);
    char byte;
    [[maybe_unused]] const ssize_t got = read(pipe_fds[0], &byte, 1);
    _exit(7);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(SignalWatcherTest, FirstSignalAsksSecondEnds) {
  EXPECT_EQ(ExitStatusAfter(1, true), 7);
  EXPECT_EQ(ExitStatusAfter(2, false), 128 + SIGTERM);
}

}  // namespace
}  // namespace reelsight::process
