// SPDX-License-Identifier: Apache-2.0
#include "shared/process/memory.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace reelsight::process {
namespace {

// What a version of control groups calls its files.
struct GroupFiles {
  const char* folder;
  const char* limit;
  const char* usage;
  const char* reclaimable;
};
constexpr GroupFiles kVersion2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles kVersion1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_inactive_file"};

// The number that the file holds; nullopt for none, as for `max`.
std::optional<int64_t> ReadNumber(const std::string& path) {
  std::string text;
  int64_t number = 0;
  if (!(std::ifstream(path) >> text) || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

// The number after `name` in lines of names and numbers.
std::optional<int64_t> ReadNamed(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t number = 0;
    if (words.size() >= 2 && words[0] == name && absl::SimpleAtoi(words[1], &number)) return number;
  }
  return std::nullopt;
}

// The group of this process in the hierarchy whose line of /proc/self/cgroup has `controller`; empty: version 2.
std::optional<std::string> GroupOf(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    if (std::find(controllers.begin(), controllers.end(), controller) != controllers.end()) return parts[2];
  }
  return std::nullopt;
}

void Narrow(int64_t total_bytes, int64_t used_bytes, MemoryReading* reading) {
  if (total_bytes <= 0) return;
  used_bytes = std::clamp<int64_t>(used_bytes, 0, total_bytes);
  reading->total_bytes = std::min(reading->total_bytes, total_bytes);
  reading->available_bytes = std::min(reading->available_bytes, total_bytes - used_bytes);
  reading->used_fraction =
      std::max(reading->used_fraction, static_cast<double>(used_bytes) / static_cast<double>(total_bytes));
}

// The group and all around it. A container often sees its own group as the root, under whatever name: folders that are
// not there are passed over.
void NarrowByGroups(const std::string& root, const GroupFiles& files, std::string group, MemoryReading* reading) {
  const int64_t machine_bytes = reading->total_bytes;
  while (true) {
    if (absl::EndsWith(group, "/")) group.pop_back();
    const std::string folder = absl::StrCat(root, files.folder, group, "/");
    const std::optional<int64_t> limit = ReadNumber(folder + files.limit);
    const std::optional<int64_t> usage = ReadNumber(folder + files.usage);
    // A limit above the machine's memory is none; version 1 writes a huge number for it.
    if (limit.has_value() && usage.has_value() && *limit < machine_bytes) {
      Narrow(*limit, *usage - ReadNamed(folder + "memory.stat", files.reclaimable).value_or(0), reading);
    }
    if (group.empty()) return;
    group.erase(group.find_last_of('/'));
  }
}

}  // namespace

MemoryReading ReadMemory(const std::string& root) {
  const std::string meminfo = root + "/proc/meminfo";
  const int64_t total_bytes = ReadNamed(meminfo, "MemTotal:").value_or(0) * 1024;
  const int64_t available_bytes = ReadNamed(meminfo, "MemAvailable:").value_or(0) * 1024;
  if (total_bytes <= 0) return {};
  MemoryReading reading{.total_bytes = total_bytes, .available_bytes = total_bytes};
  Narrow(total_bytes, total_bytes - available_bytes, &reading);
  if (const auto group = GroupOf(root, ""); group.has_value()) NarrowByGroups(root, kVersion2, *group, &reading);
  if (const auto group = GroupOf(root, "memory"); group.has_value()) NarrowByGroups(root, kVersion1, *group, &reading);
  return reading;
}

}  // namespace reelsight::process
