// SPDX-License-Identifier: Apache-2.0
//
// The program's command line: the list of commands, --help, --version, and what is said about a mistake.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace reelsight::cli {

// Parses and runs. Returns the exit status of the process: see ExitCode.
int RunCommandLine(int argc, const char* const* argv);

// All commands, in the order in which help lists them.
std::vector<std::unique_ptr<Command>> MakeCommands();

// The parser with all commands defined. `commands` must outlive it.
std::unique_ptr<CLI::App> MakeParser(const std::vector<std::unique_ptr<Command>>& commands);

// What to tell about a wrong word: the nearest flag or command of `app`, as a sentence, or empty.
std::string Suggestion(const CLI::App& app, const std::string& word);

}  // namespace reelsight::cli
