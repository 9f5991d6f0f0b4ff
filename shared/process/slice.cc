// SPDX-License-Identifier: Apache-2.0
#include "shared/process/slice.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shared/base/status.h"

namespace reelsight::process {
namespace {

using config::v1::AnalyzerServiceConfig;

constexpr char kCudaPrefix[] = "cuda:";
constexpr char kMigPrefix[] = "MIG-";
constexpr char kVisibleDevices[] = "CUDA_VISIBLE_DEVICES";
constexpr double kDefaultBudgetFraction = 0.5;

absl::Status CannotHave(absl::string_view field, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(field, ": ", why));
}

bool IsCpu(const std::string& device) { return device.empty() || device == "cpu"; }

const std::string& CpusOf(const AnalyzerServiceConfig& config) {
  return config.slice().cpus().empty() ? config.cpus() : config.slice().cpus();
}

absl::Status CheckCpus(const std::string& field, const std::string& cpus) {
  if (cpus.empty()) return absl::OkStatus();
  const absl::StatusOr<std::vector<int>> parsed = ParseCpuList(cpus);
  return parsed.ok() ? absl::OkStatus() : InvalidField(field, std::string(parsed.status().message()));
}

// What CUDA_VISIBLE_DEVICES must be for the device to be the only one.
absl::StatusOr<std::string> VisibleDevice(const std::string& device, const Machine& machine) {
  if (absl::StartsWith(device, kMigPrefix)) return device;
  const std::string number = device.substr(sizeof(kCudaPrefix) - 1);
  const std::string before = machine.get_environment(kVisibleDevices).value_or("");
  if (before.empty()) return number;
  // Somebody, a scheduler perhaps, has chosen already: count among those.
  const std::vector<std::string> visible = absl::StrSplit(before, ',', absl::SkipWhitespace());
  size_t index = 0;
  if (!absl::SimpleAtoi(number, &index) || index >= visible.size()) {
    return CannotHave("slice.device", absl::StrCat("there is no ", device, " among the ", visible.size(), " of ",
                                                   kVisibleDevices, "=", before, "; they count from cuda:0"));
  }
  return visible[index];
}

// Makes the GPU the only visible one, and returns its memory in bytes.
absl::StatusOr<int64_t> TakeGpu(const config::v1::Slice& slice, const Machine& machine) {
  ASSIGN_OR_RETURN(const std::string visible, VisibleDevice(slice.device(), machine));
  if (slice.mps_thread_percentage() > 0) {
    if (!machine.mps_runs()) {
      return CannotHave(
          "slice.mps_thread_percentage",
          "no MPS daemon answers at CUDA_MPS_PIPE_DIRECTORY; start `nvidia-cuda-mps-control -d`, or leave "
          "the field out");
    }
    machine.set_environment("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", absl::StrCat(slice.mps_thread_percentage()));
  }
  // Numbers as nvidia-smi has them, not by speed.
  machine.set_environment("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
  machine.set_environment(kVisibleDevices, visible);
  const absl::StatusOr<std::vector<int64_t>> memory_bytes = machine.gpu_memory_bytes();
  if (!memory_bytes.ok()) return Annotate(memory_bytes.status(), absl::StrCat("slice.device ", slice.device()));
  if (memory_bytes->empty()) {
    return CannotHave("slice.device", absl::StrCat("this machine has no ", slice.device(),
                                                   "; `nvidia-smi -L` lists the GPUs and MIG instances there are"));
  }
  return memory_bytes->front();
}

absl::StatusOr<int64_t> BudgetBytes(const AnalyzerServiceConfig& config, int64_t total_bytes) {
  const config::v1::Slice& slice = config.slice();
  if (slice.memory_budget_bytes() == 0 && slice.memory_budget_fraction() > 0) {
    return std::llround(static_cast<double>(total_bytes) * slice.memory_budget_fraction());
  }
  const bool own = slice.memory_budget_bytes() > 0;
  const int64_t wanted_bytes = own ? slice.memory_budget_bytes() : config.models().memory_budget_bytes();
  if (wanted_bytes == 0) return std::llround(static_cast<double>(total_bytes) * kDefaultBudgetFraction);
  if (wanted_bytes > total_bytes) {
    return CannotHave(
        own ? "slice.memory_budget_bytes" : "models.memory_budget_bytes",
        absl::StrCat(wanted_bytes, " bytes are more than the ", total_bytes,
                     " bytes that there are on the device; lower it, or raise the limit of the container"));
  }
  return wanted_bytes;
}

bool MpsRuns() {
  const char* const configured = std::getenv("CUDA_MPS_PIPE_DIRECTORY");
  std::error_code error;
  return std::filesystem::exists(
      std::filesystem::path(configured != nullptr ? configured : "/tmp/nvidia-mps") / "control", error);
}

}  // namespace

Machine::Machine()
    : mps_runs(MpsRuns), set_environment([](const std::string& name, const std::string& value) {
        setenv(name.c_str(), value.c_str(), /*overwrite=*/1);
      }) {}

std::vector<Setting> SliceSettings() {
  return {{"device", "slice.device", "cpu, cuda:N or the UUID of a MIG instance"},
          {"memory_budget_bytes", "slice.memory_budget_bytes", "Memory of the device for loaded models"},
          {"memory_budget_fraction", "slice.memory_budget_fraction", "The same as a share of what there is"},
          {"mps_thread_percentage", "slice.mps_thread_percentage", "Share of the GPU's processors, under MPS"}};
}

absl::Status CheckSlice(const AnalyzerServiceConfig& config) {
  const config::v1::Slice& slice = config.slice();
  int ordinal = 0;
  const bool cuda = absl::StartsWith(slice.device(), kCudaPrefix) &&
                    absl::SimpleAtoi(slice.device().substr(sizeof(kCudaPrefix) - 1), &ordinal) && ordinal >= 0;
  const bool mig = absl::StartsWith(slice.device(), kMigPrefix) && slice.device().size() > sizeof(kMigPrefix) - 1 &&
                   slice.device().find_first_of(", ") == std::string::npos;
  if (!IsCpu(slice.device()) && !cuda && !mig) {
    return InvalidField("slice.device", absl::StrCat("'", slice.device(), "' is not cpu, cuda:N or MIG-UUID"));
  }
  RETURN_IF_ERROR(CheckCpus("cpus", config.cpus()));
  RETURN_IF_ERROR(CheckCpus("slice.cpus", slice.cpus()));
  if (!config.cpus().empty() && !slice.cpus().empty() && config.cpus() != slice.cpus()) {
    return InvalidField("slice.cpus", "differs from cpus, which means the same; leave one of them out");
  }
  if (config.threads() < 0 || config.threads() > 1024) return InvalidField("threads", "must be 0 to 1024");
  if (slice.memory_budget_bytes() < 0) return InvalidField("slice.memory_budget_bytes", "must not be negative");
  if (!(slice.memory_budget_fraction() >= 0 && slice.memory_budget_fraction() <= 1)) {
    return InvalidField("slice.memory_budget_fraction", "must be above 0 and at most 1");
  }
  if (slice.memory_budget_bytes() > 0 && slice.memory_budget_fraction() > 0) {
    return InvalidField("slice.memory_budget_fraction", "says the same as memory_budget_bytes; leave one of them out");
  }
  if (slice.mps_thread_percentage() < 0 || slice.mps_thread_percentage() > 100) {
    return InvalidField("slice.mps_thread_percentage", "must be 1 to 100, or 0 for no bound");
  }
  if (slice.mps_thread_percentage() > 0 && IsCpu(slice.device())) {
    return InvalidField("slice.mps_thread_percentage", "is for a GPU; set slice.device");
  }
  return absl::OkStatus();
}

absl::StatusOr<Slice> TakeSlice(const AnalyzerServiceConfig& config, const Machine& machine) {
  Slice taken;
  if (const std::string& cpus = CpusOf(config); !cpus.empty()) {
    ASSIGN_OR_RETURN(const std::vector<int> wanted, ParseCpuList(cpus));
    RETURN_IF_ERROR(machine.pin_to_cpus(wanted));
  }
  taken.threads = config.threads() > 0 ? config.threads() : static_cast<int>(machine.available_cpus().size());
  if (IsCpu(config.slice().device())) {
    taken.total_memory_bytes = machine.read_memory().total_bytes;
  } else {
    ASSIGN_OR_RETURN(taken.total_memory_bytes, TakeGpu(config.slice(), machine));
    taken.device = "cuda:0";
  }
  ASSIGN_OR_RETURN(taken.memory_budget_bytes, BudgetBytes(config, taken.total_memory_bytes));
  return taken;
}

}  // namespace reelsight::process
