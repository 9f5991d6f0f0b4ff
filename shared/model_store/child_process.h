// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "shared/base/cancel_token.h"

namespace reelsight::model_store {

// Runs a program, found by PATH, without input, in a process group of its own, and waits. `on_tick` is called about ten
// times a second meanwhile. When `cancel` is cancelled the whole group is killed, and the token's status is returned.
// NOT_FOUND if there is no such program; INTERNAL with the last line of its standard error if it fails. Blocks.
absl::Status RunChild(const std::vector<std::string>& command, const CancelToken& cancel,
                      const std::function<void()>& on_tick = {});

}  // namespace reelsight::model_store
