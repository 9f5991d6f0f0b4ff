// SPDX-License-Identifier: Apache-2.0
//
// The only place where exceptions of LibTorch are caught.
#pragma once

#include <functional>

#include "absl/status/status.h"

namespace reelsight::inference {

// Runs `function` and turns what it throws into a status: RESOURCE_EXHAUSTED if memory ran out, on the host or on the
// device; INTERNAL, with the first line of the message, for everything else.
absl::Status RunTorch(const std::function<absl::Status()>& function);

}  // namespace reelsight::inference
