// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer target: whatever parses as a request must be judged without a crash, and a valid one must stay valid.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "orchestrator/plan/request_validator.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reelsight::v1::AnalyzeRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  const bool valid = reelsight::orchestrator::ValidateRequest(request).ok();
  reelsight::v1::AnalyzeRequest again;
  if (!again.ParseFromString(request.SerializeAsString())) std::abort();
  if (reelsight::orchestrator::ValidateRequest(again).ok() != valid) std::abort();
  return 0;
}
