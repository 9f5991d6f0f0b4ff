// SPDX-License-Identifier: Apache-2.0
//
// Looks at a source's bytes to say what is wrong with one that is no video. FFmpeg decides what is one.
#pragma once

#include "absl/status/status.h"
#include "orchestrator/source/byte_source.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

// Looks at the first bytes. INVALID_ARGUMENT (SOURCE_EMPTY, SOURCE_IS_WEB_PAGE), or the source's errors.
absl::Status CheckHead(ByteSource& source, const CancelToken& cancel);

// True for an MP4 or QuickTime file whose boxes end before the index (`moov`): what is left of a file that was cut off.
bool EndsBeforeIndex(ByteSource& source, const CancelToken& cancel);

}  // namespace reelsight::orchestrator
