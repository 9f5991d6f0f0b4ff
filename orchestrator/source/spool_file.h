// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/statusor.h"
#include "shared/base/unique_fd.h"

namespace reelsight::orchestrator {

// A temporary file without a name, in TMPDIR or /tmp, for reading and writing: gone when it is closed, however the
// process ends. RESOURCE_EXHAUSTED if there is no room, else INTERNAL, naming the folder.
absl::StatusOr<UniqueFd> MakeSpoolFile();

}  // namespace reelsight::orchestrator
