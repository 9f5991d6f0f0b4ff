// SPDX-License-Identifier: Apache-2.0
//
// Processors that a program may use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace reelsight::process {

// Parses a list as in `0-3,8`. Ascending, each once. INVALID_ARGUMENT, saying what is wrong.
absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text);
// The reverse.
std::string FormatCpuList(const std::vector<int>& cpus);

// Processors that this process may use now, ascending.
std::vector<int> AvailableCpus();

// Keeps this process to `cpus`. Call it before threads are started: those that run already are not moved.
// FAILED_PRECONDITION, naming the processors, if it may not use all of them.
absl::Status PinToCpus(const std::vector<int>& cpus);

}  // namespace reelsight::process
