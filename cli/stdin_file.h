// SPDX-License-Identifier: Apache-2.0
//
// Standard input as a file: FFmpeg must be able to seek in a video.
#pragma once

#include "absl/status/statusor.h"
#include "shared/base/cancel_token.h"
#include "shared/base/unique_fd.h"

namespace reelsight::cli {

// Standard input itself if it is a file, else a nameless temporary file with all that comes until its end. Blocks
// until then or until `cancel` is cancelled. RESOURCE_EXHAUSTED: no room; INTERNAL: it cannot be read.
absl::StatusOr<UniqueFd> SpoolStdin(const CancelToken& cancel);

}  // namespace reelsight::cli
