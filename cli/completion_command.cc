// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/output_file.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  source <(reelsight completion bash)\n"
    "  reelsight completion zsh > \"${fpath[1]}/_reelsight\"\n"
    "  reelsight completion fish > ~/.config/fish/completions/reelsight.fish";

// `cut_analysis`, or with `options` `cut_analysis.sensitivity=`: all analyzers whose options have a type.
std::vector<std::string> AnalyzerWords(const std::string& suffix, bool options) {
  std::vector<std::string> words;
  const auto& all = *v1::AnalyzerOptions::descriptor();
  for (int i = 0; i < all.field_count(); ++i) {
    if (all.field(i)->is_map()) continue;
    if (!options) words.push_back(all.field(i)->name() + suffix);
    const auto& fields = *all.field(i)->message_type();
    for (int j = 0; options && j < fields.field_count(); ++j) {
      words.push_back(absl::StrCat(all.field(i)->name(), ".", fields.field(j)->name(), suffix));
    }
  }
  return words;
}

// What follows a flag, by its name or the name of its value.
void DescribeValue(const CLI::Option& option, FlagDescription& flag) {
  using Value = FlagDescription::Value;
  const std::string& name = flag.names.front();
  const std::string type = option.get_type_name();
  flag.value = Value::kText;
  if (name == "--format") {
    flag.value = Value::kWord;
    flag.words = {"text", "json", "textproto"};
  } else if (name == "--profile") {
    flag.value = Value::kWord;
    flag.words = {"accurate", "reference"};
  } else if (name == "--analyzers") {
    flag.value = Value::kWordList;
    flag.words = AnalyzerWords("", /*options=*/false);
  } else if (name == "--fps") {
    flag.value = Value::kPrefix;
    flag.words = AnalyzerWords("=", /*options=*/false);
  } else if (name == "--option") {
    flag.value = Value::kPrefix;
    flag.words = AnalyzerWords("=", /*options=*/true);
  } else if (type == "FOLDER") {
    flag.value = Value::kFolder;
  } else if (type == "FILE" || type == "PATH") {
    flag.value = Value::kFile;
  }
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
      FlagDescription flag{.help = option->get_description()};
      for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
      if (option->get_items_expected_max() > 0) DescribeValue(*option, flag);
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
