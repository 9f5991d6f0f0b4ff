// SPDX-License-Identifier: Apache-2.0
#include "cli/model_pull.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/time_text.h"
#include "google/protobuf/descriptor.h"
#include "services/detection/text_overlay/text_models.h"
#include "shared/base/status.h"
#include "shared/inference/model_runtime.h"

namespace reelsight::cli {
namespace {

using Clock = std::chrono::steady_clock;
using config::v1::ModelEntry;

// One line of standard error, drawn over and over. Not thread-safe.
class PullBar {
 public:
  explicit PullBar(const Terminal& terminal) : terminal_(terminal) {}
  ~PullBar() { Clear(); }

  void Draw(const model_store::PullProgress& progress) {
    if (!terminal_.interactive) return;
    const Clock::time_point now = Clock::now();
    if (progress.step != step_) {
      step_ = std::string(progress.step);
      started_ = now;
      first_bytes_ = progress.done_bytes;
    } else if (now - drawn_ < std::chrono::milliseconds(100)) {
      return;
    }
    drawn_ = now;
    const double seconds = std::chrono::duration<double>(now - started_).count();
    const double rate = seconds > 0.5 ? static_cast<double>(progress.done_bytes - first_bytes_) / seconds : 0;
    std::string line = absl::StrCat(std::string(progress.model), ": ", step_);
    if (progress.done_bytes > 0) absl::StrAppend(&line, "  ", FormatBytes(progress.done_bytes));
    if (progress.total_bytes > 0 && progress.done_bytes > 0) {
      absl::StrAppend(&line, " of ", FormatBytes(progress.total_bytes),
                      absl::StrFormat("  %d%%", 100 * progress.done_bytes / progress.total_bytes));
    }
    if (rate > 0) absl::StrAppend(&line, "  ", FormatBytes(static_cast<int64_t>(rate)), "/s");
    if (rate > 0 && progress.total_bytes > progress.done_bytes) {
      const double left = static_cast<double>(progress.total_bytes - progress.done_bytes) / rate;
      absl::StrAppend(&line, "  ", FormatLength(absl::Seconds(left)), " left");
    }
    if (progress.done_bytes == 0) absl::StrAppend(&line, "  ", FormatLength(absl::Seconds(seconds)));
    std::fprintf(stderr, "\r\033[K%s", Shorten(line, terminal_.width - 1, terminal_.unicode).c_str());
    drawn_any_ = true;
  }

  void Clear() {
    if (drawn_any_) std::fputs("\r\033[K", stderr);
    drawn_any_ = false;
  }

 private:
  const Terminal terminal_;
  std::string step_;
  Clock::time_point started_, drawn_;
  int64_t first_bytes_ = 0;
  bool drawn_any_ = false;
};

int64_t BytesOf(const ModelEntry& entry) {
  int64_t bytes = 0;
  for (const config::v1::ModelFile& file : entry.files()) bytes += file.size_bytes();
  return bytes;
}

absl::Status AskForLicense(const ModelEntry& entry, const ModelPullOptions& options) {
  if (!entry.restricted() || options.accept_license) return absl::OkStatus();
  std::fprintf(stderr, "%s is under the licence %s, which restricts its use: %s\n", entry.name().c_str(),
               Printable(entry.license()).c_str(), Printable(entry.homepage()).c_str());
  if (options.err.interactive && isatty(STDIN_FILENO) == 1) {
    std::fputs("Do you accept it? [y/N] ", stderr);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("model ", entry.name(), ": licence not accepted"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("model ", entry.name(), ": read its licence, then pull it with --accept-license"));
}

constexpr char kTextOverlay[] = "text_overlay";

}  // namespace

absl::Status PullModels(const model_store::ModelStore& store, const std::vector<std::string>& names,
                        const ModelPullOptions& options, const CancelToken& cancel) {
  PullBar bar(options.err);
  model_store::ModelPuller puller(
      store, {.offline = options.offline, .force = options.force, .on_progress = [&](const auto& progress) {
                if (!options.quiet) bar.Draw(progress);
              }});
  absl::Status first;
  for (const std::string& name : names) {
    const ModelEntry* const entry = store.catalog().Find(name);
    absl::Status status;
    if (entry != nullptr && (options.force || !store.Installed(name).ok()) && !options.offline) {
      status = AskForLicense(*entry, options);
    }
    const bool was_there = !options.force && store.Installed(name).ok();
    if (status.ok()) status = puller.Pull(name, cancel);
    bar.Clear();
    RETURN_IF_ERROR(cancel.status());
    if (!status.ok()) {
      std::fprintf(stderr, "reelsight: %s\n", Printable(std::string(status.message())).c_str());
      if (first.ok()) first = status;
    } else if (!options.quiet && !was_there) {
      std::fprintf(stderr, "%s %s installed (%s, %s)\n", entry->name().c_str(), entry->version().c_str(),
                   FormatBytes(BytesOf(*entry)).c_str(), entry->license().c_str());
    }
  }
  return first;
}

std::vector<std::string> MissingModels(const model_store::ModelStore& store, const v1::AnalyzeRequest& request) {
  const auto runs = [&](const std::string& task) {
    const auto& names = request.analyzers();
    return names.empty() || std::find(names.begin(), names.end(), task) != names.end();
  };
  std::set<std::string> wanted;
  // Tasks whose models are known without the catalogue's defaults.
  std::set<std::string> settled;
  const v1::AnalyzerOptions& options = request.options();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  options.GetReflection()->ListFields(options, &fields);
  for (const google::protobuf::FieldDescriptor* const field : fields) {
    if (field->is_repeated() || !runs(field->name())) continue;
    const google::protobuf::Message& own = options.GetReflection()->GetMessage(options, field);
    const google::protobuf::FieldDescriptor* const model = own.GetDescriptor()->FindFieldByName("model");
    if (model == nullptr || model->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_STRING) continue;
    if (own.GetReflection()->GetString(own, model).empty()) continue;
    wanted.insert(own.GetReflection()->GetString(own, model));
    settled.insert(field->name());
  }
  if (runs(kTextOverlay)) {
    // Its engine and the models named decide. A wrong request fetches nothing; the run says what is wrong.
    settled.insert(kTextOverlay);
    const auto models = inference::ModelRuntime::Create(store, {}, nullptr);
    if (!models.ok()) return {};
    if (const auto chosen = text_overlay::ChooseModels(**models, options.text_overlay()); chosen.ok()) {
      for (const std::string& name : chosen->all()) wanted.insert(name);
    }
  }
  for (const auto& [name, entry] : store.catalog().models()) {
    if (entry.default_for_task() && runs(entry.task()) && !settled.contains(entry.task())) wanted.insert(name);
  }
  std::vector<std::string> missing;
  for (const std::string& name : wanted) {
    if (store.catalog().Find(name) != nullptr && !store.Installed(name).ok()) missing.push_back(name);
  }
  return missing;
}

}  // namespace reelsight::cli
