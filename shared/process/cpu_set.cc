// SPDX-License-Identifier: Apache-2.0
#include "shared/process/cpu_set.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace reelsight::process {

absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text) {
  std::set<int> cpus;
  for (absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(part, absl::MaxSplits('-', 1));
    const bool range = part.find('-') != absl::string_view::npos;
    int first = 0, last = 0;
    if (!absl::SimpleAtoi(ends.first, &first) || !absl::SimpleAtoi(range ? ends.second : ends.first, &last) ||
        first < 0 || last < first || last >= CPU_SETSIZE) {
      return absl::InvalidArgumentError(absl::StrCat("'", part,
                                                     "' is neither a processor's number nor a range of them, "
                                                     "as in 0-3,8"));
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return std::vector<int>(cpus.begin(), cpus.end());
}

std::string FormatCpuList(const std::vector<int>& cpus) {
  std::string out;
  for (size_t i = 0; i < cpus.size();) {
    size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    absl::StrAppend(&out, out.empty() ? "" : ",", cpus[i]);
    if (end - i > 1) absl::StrAppend(&out, "-", cpus[end - 1]);
    i = end;
  }
  return out;
}

std::vector<int> AvailableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

absl::Status PinToCpus(const std::vector<int>& cpus) {
  const std::vector<int> available = AvailableCpus();
  std::vector<int> missing;
  std::set_difference(cpus.begin(), cpus.end(), available.begin(), available.end(), std::back_inserter(missing));
  if (cpus.empty() || !missing.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("cpus: this process may not use processor ",
                                                      FormatCpuList(missing), "; it may use ", FormatCpuList(available),
                                                      ": change `cpus`, or what the container or cpuset allows"));
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cpus: cannot keep to processors ", FormatCpuList(cpus), ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace reelsight::process
