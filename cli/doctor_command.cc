// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/doctor_checks.h"
#include "cli/interrupt.h"
#include "cli/output_file.h"
#include "shared/process/version.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight doctor\n"
    "  reelsight doctor && reelsight analyze clip.mp4\n"
    "Exit status: 0 nothing failed, 1 a check failed. A line below a finding says what to do.";

class DoctorCommand final : public Command {
 public:
  std::string name() const override { return "doctor"; }
  std::string description() const override { return "Checks the installation and runs a self-test"; }
  void Define(CLI::App& app) override { app.footer(kExamples); }

  ExitCode Run() override {
    const CancelToken cancel;
    const InterruptHandler interrupt(cancel);
    const Terminal terminal = Terminal::ForDescriptor(STDOUT_FILENO);
    std::vector<Finding> all = {{"program", Finding::State::kGood, absl::StrCat("reelsight ", process::Version()), ""}};
    const auto show = [&](const std::vector<Finding>& findings) {
      all.insert(all.end(), findings.begin(), findings.end());
      return WriteStdout(RenderFindings(findings, terminal)).ok();
    };
    if (!WriteStdout(RenderFindings(all, terminal)).ok() || !show(CheckMachine()) || !show(CheckDecoders()) ||
        !show(CheckSurroundings()) || !show(CheckAnalysis(cancel))) {
      return ExitCode::kFailed;
    }
    if (InterruptHandler::interrupted()) return ExitCode::kInterrupted;
    return AnyFailed(all) ? ExitCode::kFailed : ExitCode::kOk;
  }
};

}  // namespace

std::unique_ptr<Command> MakeDoctorCommand() { return std::make_unique<DoctorCommand>(); }

}  // namespace reelsight::cli
