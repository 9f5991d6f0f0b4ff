// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace reelsight::telemetry {

// Memory of this process that is in RAM, files it has mapped included; 0 where /proc does not tell.
int64_t ResidentBytes();

}  // namespace reelsight::telemetry
