// SPDX-License-Identifier: Apache-2.0
#include "shared/process/program.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
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
  info.settings.push_back({"folders", "analyzers", "Folders", "FOLDER"});
  return info;
}

struct Read {
  absl::Status status;
  config::v1::AnalyzerServiceConfig config;
};

Read ReadWith(const std::vector<std::string>& arguments, std::map<std::string, std::string> environment = {}) {
  CLI::App app;
  ConfigurationFlags flags(Info());
  flags.Define(app);
  Read read;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return {absl::InvalidArgumentError(error.what()), {}};
  }
  read.status = flags.ReadInto(&read.config, [&](const std::string& name) -> std::optional<std::string> {
    const auto it = environment.find(name);
    return it == environment.end() ? std::nullopt : std::optional<std::string>(it->second);
  });
  return read;
}

// Runs as a program whose work returns `ran`; the exit status, and what it wrote.
struct Ended {
  int exit_status = -1;
  std::string out, err;
};
Ended RunWith(std::vector<const char*> arguments, const absl::Status& prepared = absl::OkStatus(),
              const absl::Status& ran = absl::OkStatus()) {
  arguments.insert(arguments.begin(), "reelsight-test");
  config::v1::AnalyzerServiceConfig config;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ended ended;
  ended.exit_status = RunProgram(
      Info(), static_cast<int>(arguments.size()), arguments.data(), &config, [&] { return prepared; },
      [&] { return ran; });
  ended.out = ::testing::internal::GetCapturedStdout();
  ended.err = ::testing::internal::GetCapturedStderr();
  return ended;
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
      ReadWith({"--config", file, "--threads", "3"},
               {{"REELSIGHT_THREADS", "2"}, {"REELSIGHT_DRAIN_SECONDS", "2.5"}, {"REELSIGHT_LOG_FORMAT", "json"}});
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.config.threads(), 3);
  EXPECT_EQ(read.config.server().drain_seconds(), 2.5);
  EXPECT_EQ(read.config.server().log().level(), "warn");
  EXPECT_EQ(read.config.server().log().format(), config::v1::LogConfig::JSON);
}

TEST(ProgramTest, ListReplacesTheFilesAndFileComesFromTheEnvironmentToo) {
  const testing::ScratchFolder folder;
  const std::string file = WriteConfig(folder, "analyzers: \"a\" analyzers: \"b\"");
  const Read read = ReadWith({"--analyzers=c,d"}, {{"REELSIGHT_CONFIG", file}});
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(read.config.analyzers(), ::testing::ElementsAre("c", "d"));
}

TEST(ProgramTest, ErrorsNameTheirOrigin) {
  const auto message = [](const Read& read) { return std::string(read.status.message()); };
  EXPECT_THAT(message(ReadWith({"--threads", "many"})), HasSubstr("--threads"));
  EXPECT_THAT(message(ReadWith({}, {{"REELSIGHT_THREADS", "x"}})), HasSubstr("REELSIGHT_THREADS"));
  EXPECT_THAT(message(ReadWith({"--log_format", "xml"})), HasSubstr("text, json"));
  EXPECT_THAT(message(ReadWith({"--treads", "2"})), HasSubstr("--treads"));
  EXPECT_THAT(message(ReadWith({"--reflection", "yes"})), HasSubstr("true or false"));
}

TEST(ProgramTest, ListsMayBeGivenPieceByPieceAndFlagsHaveShortNames) {
  const Read read = ReadWith({"--analyzers", "a,b", "--analyzers", "c", "-l", "127.0.0.1:0"});
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(read.config.analyzers(), ::testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(read.config.server().listen_address(), "127.0.0.1:0");
  for (const char* const flag : {"--threads", "--listen_address"}) {
    EXPECT_THAT(std::string(ReadWith({flag, "1", flag, "2"}).status.message()), HasSubstr("is given 2 times"));
  }
}

TEST(ProgramTest, FoldersThatFlagsAndVariablesNameExistAndBecomeAbsolute) {
  const testing::ScratchFolder folder;
  const auto read = [&](const std::string& value) { return ReadWith({"--folders", value}); };
  EXPECT_THAT(std::string(read(folder / "missing").status.message()), HasSubstr("--folders: no such folder: "));
  EXPECT_THAT(std::string(ReadWith({}, {{"REELSIGHT_FOLDERS", folder / "missing"}}).status.message()),
              HasSubstr("REELSIGHT_FOLDERS: no such folder: "));
  const Read relative = read(".," + (folder / "."));
  ASSERT_TRUE(relative.status.ok()) << relative.status;
  EXPECT_THAT(relative.config.analyzers(), ::testing::ElementsAre(std::filesystem::current_path().string(),
                                                                  std::filesystem::canonical(folder / ".").string()));
}

TEST(ProgramTest, HelpVersionAndCheck) {
  const Ended help = RunWith({"--help"});
  EXPECT_EQ(help.exit_status, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--listen_address"), HasSubstr("HOST:PORT"), HasSubstr("Examples:"),
                              HasSubstr("REELSIGHT_LISTEN_ADDRESS")));
  EXPECT_EQ(RunWith({"--version"}).out, std::string("reelsight-test ") + Version() + "\n");
  for (const char* const spelling : {"--check_config", "--check-config"}) {
    const Ended checked = RunWith({spelling}, absl::OkStatus(), absl::InternalError("must not run"));
    EXPECT_EQ(checked.exit_status, 0);
    EXPECT_THAT(checked.out, HasSubstr("reelsight-test: the configuration is good"));
  }
}

TEST(ProgramTest, ExitStatusTellsWrongUsageFromFailure) {
  EXPECT_EQ(RunWith({"--treads", "2"}).exit_status, 2);
  const Ended bad = RunWith({}, absl::InvalidArgumentError("not so"));
  EXPECT_EQ(bad.exit_status, 2);
  EXPECT_EQ(bad.err, "reelsight-test: not so\n");
  EXPECT_EQ(RunWith({}, absl::OkStatus(), absl::InternalError("broken")).exit_status, 1);
  EXPECT_EQ(RunWith({}).exit_status, 0);
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
