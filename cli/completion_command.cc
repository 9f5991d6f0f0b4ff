// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/output_file.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  source <(reelsight completion bash)\n"
    "  reelsight completion zsh > \"${fpath[1]}/_reelsight\"\n"
    "  reelsight completion fish > ~/.config/fish/completions/reelsight.fish";

// The values a flag may have, where the parser knows them.
std::vector<std::string> ValuesOf(const std::string& flag) {
  if (flag == "--format") return {"text", "json", "textproto"};
  if (flag == "--profile") return {"accurate", "reference"};
  return {};
}

std::vector<CommandDescription> Describe() {
  const auto commands = MakeCommands();
  const auto app = MakeParser(commands);
  std::vector<CommandDescription> descriptions;
  for (const auto& command : commands) {
    CLI::App& sub = *app->get_subcommand(command->name());
    CommandDescription description{.name = command->name(), .help = command->description()};
    for (const CLI::Option* option : sub.get_options()) {
      if (option->get_lnames().empty()) continue;
      FlagDescription flag{.help = option->get_description(), .takes_value = option->get_items_expected_max() > 0};
      for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
      flag.values = ValuesOf(flag.names.front());
      description.flags.push_back(std::move(flag));
    }
    if (command->name() == "completion") description.words = {"bash", "zsh", "fish"};
    descriptions.push_back(std::move(description));
  }
  return descriptions;
}

class CompletionCommand final : public Command {
 public:
  std::string name() const override { return "completion"; }
  std::string description() const override { return "Prints a completion script for a shell"; }

  void Define(CLI::App& app) override {
    app.add_option("shell", shell_, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}))
        ->type_name("SHELL");
    app.footer(kExamples);
  }

  ExitCode Run() override {
    const auto script = CompletionScript(shell_, Describe());
    if (!script.ok()) return ExitCode::kUsage;
    return WriteStdout(*script).ok() ? ExitCode::kOk : ExitCode::kFailed;
  }

 private:
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> MakeCompletionCommand() { return std::make_unique<CompletionCommand>(); }

}  // namespace reelsight::cli
