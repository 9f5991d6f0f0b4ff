// SPDX-License-Identifier: Apache-2.0
//
// The part of a machine that one service has: device, processors, memory for models. Taken once, at start, before
// threads are started and before anything touches CUDA. Engines get the result; they do not choose.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/process/cpu_set.h"
#include "shared/process/cuda_driver.h"
#include "shared/process/memory.h"
#include "shared/process/settings.h"

namespace reelsight::process {

// A slice that was taken.
struct Slice {
  // `cpu` or `cuda:0`: the one GPU, or MIG instance, that is visible.
  std::string device = "cpu";
  // Worker threads, one for each processor unless configured.
  int threads = 1;
  // What there is on the device, and how much of it loaded models may take.
  int64_t total_memory_bytes = 0;
  int64_t memory_budget_bytes = 0;
};

// The machine as TakeSlice sees and changes it; replaced in tests.
struct Machine {
  std::function<absl::Status(const std::vector<int>& cpus)> pin_to_cpus = PinToCpus;
  std::function<std::vector<int>()> available_cpus = AvailableCpus;
  std::function<MemoryReading()> read_memory = [] { return ReadMemory(); };
  std::function<absl::StatusOr<std::vector<int64_t>>()> gpu_memory_bytes = [] { return GpuMemoryBytes(); };
  // True if a control daemon of MPS answers to this process.
  std::function<bool()> mps_runs;
  GetEnvironment get_environment = ProcessEnvironment;
  std::function<void(const std::string& name, const std::string& value)> set_environment;

  // This machine.
  Machine();
};

// Settings of the fields of config.v1.Slice, which the configuration message holds as `slice`.
std::vector<Setting> SliceSettings();

// INVALID_ARGUMENT, INVALID_FIELD, unless the fields that make up the slice are well-formed. Looks at no machine.
absl::Status CheckSlice(const config::v1::AnalyzerServiceConfig& config);

// Takes the slice: keeps this process to its processors, hides other GPUs (CUDA_VISIBLE_DEVICES), bounds its share of
// the GPU (CUDA_MPS_ACTIVE_THREAD_PERCENTAGE). FAILED_PRECONDITION, naming the field and what to do, if the machine
// does not have it. REQUIRES: CheckSlice is OK; no other thread reads the environment.
absl::StatusOr<Slice> TakeSlice(const config::v1::AnalyzerServiceConfig& config, const Machine& machine = Machine());

}  // namespace reelsight::process
