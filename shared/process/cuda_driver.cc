// SPDX-License-Identifier: Apache-2.0
#include "shared/process/cuda_driver.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"

namespace reelsight::process {
namespace {

// Of the driver's API, which is stable: CUresult and CUdevice are ints.
using CuInit = int(unsigned flags);
using CuDeviceGetCount = int(int* count);
using CuDeviceGet = int(int* device, int ordinal);
using CuDeviceTotalMem = int(size_t* bytes, int device);
constexpr int kSuccess = 0;
constexpr int kNoDevice = 100;

absl::Status Refused(const char* function, int code) {
  return absl::FailedPreconditionError(absl::StrCat("NVIDIA's driver is there but does not work: ", function,
                                                    " gave error ", code, "; see `nvidia-smi` and the system's log"));
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> GpuMemoryBytes(const std::string& library) {
  // Never closed: a driver in use cannot be unloaded.
  void* const driver = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("there is no NVIDIA driver (", dlerror(),
                                                      "); install it, give the container its GPU, or use `cpu`"));
  }
  auto* const init = reinterpret_cast<CuInit*>(dlsym(driver, "cuInit"));
  auto* const get_count = reinterpret_cast<CuDeviceGetCount*>(dlsym(driver, "cuDeviceGetCount"));
  auto* const get = reinterpret_cast<CuDeviceGet*>(dlsym(driver, "cuDeviceGet"));
  auto* const total_mem = reinterpret_cast<CuDeviceTotalMem*>(dlsym(driver, "cuDeviceTotalMem_v2"));
  if (init == nullptr || get_count == nullptr || get == nullptr || total_mem == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(library, " is no driver library of NVIDIA's"));
  }
  std::vector<int64_t> memory_bytes;
  if (const int code = init(0); code == kNoDevice) {
    return memory_bytes;
  } else if (code != kSuccess) {
    return Refused("cuInit", code);
  }
  int count = 0;
  if (const int code = get_count(&count); code != kSuccess) return Refused("cuDeviceGetCount", code);
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    int device = 0;
    size_t bytes = 0;
    if (const int code = get(&device, ordinal); code != kSuccess) return Refused("cuDeviceGet", code);
    if (const int code = total_mem(&bytes, device); code != kSuccess) return Refused("cuDeviceTotalMem", code);
    memory_bytes.push_back(static_cast<int64_t>(bytes));
  }
  return memory_bytes;
}

}  // namespace reelsight::process
