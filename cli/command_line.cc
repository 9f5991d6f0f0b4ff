// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "absl/strings/str_cat.h"
#include "cli/analyze_options.h"
#include "cli/output_file.h"
#include "cli/terminal.h"
#include "shared/process/version.h"
#include "shared/telemetry/log.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight analyze clip.mp4\n"
    "  reelsight analyze clip.mp4 --report report.html\n"
    "  reelsight analyze clip.mp4 --format json --output - | jq .summary\n"
    "  reelsight serve --listen 127.0.0.1:7010\n"
    "  reelsight doctor\n"
    "Exit status: 0 all good, 1 a video failed, 2 wrong usage, 3 some analyzers failed, 130 interrupted.";

const CLI::App& Chosen(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : *parsed.front();
}

// The words that the parser could make nothing of.
int UsageError(const CLI::App& app, const std::string& message, const std::string& word) {
  const CLI::App& chosen = Chosen(app);
  const Terminal terminal = Terminal::ForDescriptor(2);
  const std::string command = &chosen == &app ? "reelsight" : absl::StrCat("reelsight ", chosen.get_name());
  std::string text = absl::StrCat(Red(terminal, absl::StrCat(command, ":")), " ", Printable(message));
  const std::string suggestion = word.empty() ? "" : Suggestion(chosen, word);
  if (!suggestion.empty()) absl::StrAppend(&text, "; ", suggestion);
  std::fprintf(stderr, "%s\nTry `%s --help`.\n", text.c_str(), command.c_str());
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace

std::vector<std::unique_ptr<Command>> MakeCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(MakeAnalyzeCommand());
  commands.push_back(MakeServeCommand());
  commands.push_back(MakeAnalyzersCommand());
  commands.push_back(MakeModelsCommand());
  commands.push_back(MakeBenchCommand());
  commands.push_back(MakeDoctorCommand());
  commands.push_back(MakeCompletionCommand());
  return commands;
}

std::unique_ptr<CLI::App> MakeParser(const std::vector<std::unique_ptr<Command>>& commands) {
  auto app = std::make_unique<CLI::App>("Turns short videos into a timeline of everything in them.", "reelsight");
  app->set_version_flag("--version", absl::StrCat("reelsight ", process::Version()), "Prints the version");
  app->require_subcommand(1);
  app->footer(kExamples);
  for (const auto& command : commands) command->Define(*app->add_subcommand(command->name(), command->description()));
  return app;
}

std::string Suggestion(const CLI::App& app, const std::string& word) {
  std::vector<std::string> words;
  if (!word.empty() && word[0] == '-') {
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
      words.push_back(sub->get_name());
  }
  const std::string near = NearestWord(word.substr(0, word.find('=')), words);
  return near.empty() ? "" : absl::StrCat("did you mean `", near, "`?");
}

int RunCommandLine(int argc, const char* const* argv) {
  // Standard error belongs to the user here: only what goes wrong is logged. `serve` sets its own.
  telemetry::InitLog({.level = telemetry::LogLevel::kError, .service = "reelsight"});
  // gRPC's own notes on standard error repeat, at length, what our messages say.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const auto commands = MakeCommands();
  const auto app = MakeParser(commands);
  std::vector<std::string> words(argv + std::min(1, argc), argv + argc);
  // `help` and `help COMMAND`, as many programs have it.
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  std::reverse(words.begin(), words.end());
  try {
    app->parse(std::move(words));
  } catch (const CLI::Success& answer) {
    return app->exit(answer);  // --help and --version.
  } catch (const CLI::ExtrasError&) {
    const auto extras = app->remaining(/*recurse=*/true);
    const std::string word = extras.empty() ? "" : extras.front();
    return UsageError(*app, absl::StrCat("unknown argument `", word, "`"), word);
  } catch (const CLI::RequiredError& error) {
    const auto extras = app->remaining(/*recurse=*/true);
    if (&Chosen(*app) == app.get() && !extras.empty()) {
      return UsageError(*app, absl::StrCat("unknown command `", extras.front(), "`"), extras.front());
    }
    if (&Chosen(*app) == app.get()) return UsageError(*app, "name a command", "");
    return UsageError(*app, error.what(), "");
  } catch (const CLI::ParseError& error) {
    return UsageError(*app, error.what(), "");
  }
  for (const auto& command : commands) {
    if (!app->got_subcommand(command->name())) continue;
    try {
      const ExitCode code = command->Run();
      EndIfReaderGone();
      return static_cast<int>(code);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "reelsight: %s; this is a defect of the program\n", error.what());
      return static_cast<int>(ExitCode::kFailed);
    }
  }
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace reelsight::cli
