// SPDX-License-Identifier: Apache-2.0
//
// Whether there is a GPU, asked of NVIDIA's driver library, which is opened at run time: programs start without it. It
// makes no context and runs nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace reelsight::process {

// Memory of each GPU that CUDA_VISIBLE_DEVICES leaves, in bytes; empty if it leaves none. The driver reads that
// variable at the first call in a process and never again. FAILED_PRECONDITION if there is no driver, or it refuses to
// work.
absl::StatusOr<std::vector<int64_t>> GpuMemoryBytes(const std::string& library = "libcuda.so.1");

}  // namespace reelsight::process
