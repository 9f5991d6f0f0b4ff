// SPDX-License-Identifier: Apache-2.0
#include "cli/model_pull.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/time_text.h"
#include "shared/base/status.h"

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

std::vector<std::string> MissingDefaults(const model_store::ModelStore& store,
                                         const std::vector<std::string>& analyzers) {
  std::vector<std::string> missing;
  for (const auto& [name, entry] : store.catalog().models()) {
    const bool wanted =
        analyzers.empty() || std::find(analyzers.begin(), analyzers.end(), entry.task()) != analyzers.end();
    if (wanted && entry.default_for_task() && !store.Installed(name).ok()) missing.push_back(name);
  }
  return missing;
}

std::vector<std::string> MissingOfOptions(const model_store::ModelStore& store,
                                          const std::vector<std::string>& options) {
  std::vector<std::string> missing;
  for (const std::string& option : options) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(option, absl::MaxSplits('=', 1));
    const ModelEntry* const entry = absl::EndsWith(parts.first, ".model") || absl::EndsWith(parts.first, "_model")
                                        ? store.catalog().Find(parts.second)
                                        : nullptr;
    if (entry != nullptr && !store.Installed(entry->name()).ok()) missing.push_back(entry->name());
  }
  return missing;
}

}  // namespace reelsight::cli
