// SPDX-License-Identifier: Apache-2.0
//
// A driver library for tests on machines without one: GPU 3 and the instance MIG-1, of 40 and 10 GiB.
#include <cstddef>
#include <cstdlib>
#include <string>

namespace {

std::string Visible() {
  const char* const value = std::getenv("CUDA_VISIBLE_DEVICES");
  return value == nullptr ? "" : value;
}

}  // namespace

extern "C" {
int cuInit(unsigned) { return Visible() == "broken" ? 999 : Visible() == "3" || Visible() == "MIG-1" ? 0 : 100; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = (Visible() == "3" ? size_t{40} : size_t{10}) << 30, 0; }
}
