// SPDX-License-Identifier: Apache-2.0
//
// One command of the program: `reelsight NAME ...`. Each stands in a file NAME_command.cc; command_line.cc has the
// list.
#pragma once

#include <memory>
#include <string>

#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace reelsight::cli {

// Used once: Define, then, if the user asked for it, Run.
class Command {
 public:
  virtual ~Command() = default;

  virtual std::string name() const = 0;
  // One line for the list of commands.
  virtual std::string description() const = 0;
  // Adds flags, help and examples to the command's own parser, which outlives the command.
  virtual void Define(CLI::App& app) = 0;
  // Does it, with the parsed flags. Errors were printed to standard error.
  virtual ExitCode Run() = 0;
};

std::unique_ptr<Command> MakeAnalyzeCommand();
std::unique_ptr<Command> MakeServeCommand();
std::unique_ptr<Command> MakeBenchCommand();
std::unique_ptr<Command> MakeDoctorCommand();
std::unique_ptr<Command> MakeAnalyzersCommand();
std::unique_ptr<Command> MakeModelsCommand();
std::unique_ptr<Command> MakeCompletionCommand();

}  // namespace reelsight::cli
