// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/analyze_options.h"
#include "cli/command.h"
#include "cli/document.h"
#include "cli/embedded_backend.h"
#include "cli/interrupt.h"
#include "cli/output_file.h"
#include "cli/remote_backend.h"
#include "cli/table.h"
#include "cli/text_summary.h"
#include "cli/time_text.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight analyzers\n"
    "  reelsight analyzers --server gpu-box:7010\n"
    "  reelsight analyzers --json | jq -r '.analyzers[].name'";

class AnalyzersCommand final : public Command {
 public:
  std::string name() const override { return "analyzers"; }
  std::string description() const override { return "Lists the analyzers and whether they can be used now"; }

  void Define(CLI::App& app) override {
    app.add_option("--server,-s", remote_.server, "Ask this server instead of this program")->type_name("HOST:PORT");
    app.add_option("--ca", remote_.ca_file, "PEM file of authorities: talk to the server by TLS")->type_name("FILE");
    app.add_flag("--json", json_, "Prints ListAnalyzersResponse as proto3 JSON");
    app.footer(kExamples);
  }

  ExitCode Run() override {
    if (!remote_.server.empty()) {
      if (const absl::Status status = CheckServerAddress(remote_.server); !status.ok()) {
        std::fprintf(stderr, "reelsight analyzers: %s\n", Printable(std::string(status.message())).c_str());
        return ExitCode::kUsage;
      }
    }
    const CancelToken cancel;
    const InterruptHandler interrupt(cancel);
    cancel.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(30));
    const auto answer = Ask(cancel);
    if (InterruptHandler::interrupted()) return ExitCode::kInterrupted;
    if (!answer.ok()) {
      std::fprintf(stderr, "reelsight: %s\n", Printable(std::string(answer.status().message())).c_str());
      return ExitCode::kFailed;
    }
    const std::string text = json_ ? ToJson(*answer, /*pretty=*/true) + "\n" : Render(*answer);
    return WriteStdout(text).ok() ? ExitCode::kOk : ExitCode::kFailed;
  }

 private:
  absl::StatusOr<v1::ListAnalyzersResponse> Ask(const CancelToken& cancel) const {
    if (!remote_.server.empty()) {
      auto backend = RemoteBackend::Create(remote_);
      return backend.ok() ? (*backend)->ListAnalyzers(cancel) : backend.status();
    }
    auto backend = EmbeddedBackend::Create(EmbeddedBackend::PersonalConfig(), 1);
    return backend.ok() ? (*backend)->ListAnalyzers(cancel) : backend.status();
  }

  static std::string Render(const v1::ListAnalyzersResponse& answer) {
    const Terminal terminal = Terminal::ForDescriptor(STDOUT_FILENO);
    Table table({{"analyzer"}, {"now"}, {"frames"}, {""}});
    for (const auto& analyzer : answer.analyzers()) {
      std::string text = analyzer.available() ? analyzer.description() : analyzer.unavailable_reason();
      // It runs, but not with all it has.
      if (analyzer.available() && !analyzer.unavailable_reason().empty()) {
        absl::StrAppend(&text, "; now ", analyzer.unavailable_reason());
      }
      absl::StrAppend(&text, " (", analyzer.service());
      if (!analyzer.models().empty()) absl::StrAppend(&text, "; model ", ModelsText(analyzer.models()));
      if (!analyzer.depends_on().empty()) {
        absl::StrAppend(&text, "; builds on ", absl::StrJoin(analyzer.depends_on(), ", "));
      }
      absl::StrAppend(&text, ")");
      table.AddRow({Printable(analyzer.name()), analyzer.available() ? Green(terminal, "ready") : Red(terminal, "no"),
                    analyzer.sample_fps() > 0 ? absl::StrCat(FormatRate(analyzer.sample_fps()), "/s") : "all",
                    Printable(text)});
    }
    return table.Render(terminal, 0);
  }

  RemoteBackend::Options remote_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeAnalyzersCommand() { return std::make_unique<AnalyzersCommand>(); }

}  // namespace reelsight::cli
