// SPDX-License-Identifier: Apache-2.0
//
// Writes a whole file or none of it.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace reelsight::cli {

// Writes `content` to `path` by way of a new file beside it and a rename, so that a reader sees the old file or the new
// one, never a part, and a failure leaves the old one. A device or a pipe (/dev/stdout) is written straight. A symbolic
// link is followed. PERMISSION_DENIED, NOT_FOUND (no such folder), RESOURCE_EXHAUSTED (disk full), INTERNAL else.
absl::Status WriteFileAtomically(const std::string& path, const std::string& content);

// Can WriteFileAtomically work for `path`? Found out without writing, so that nobody waits in vain for an analysis.
// INVALID_ARGUMENT: empty, or a folder; NOT_FOUND: its folder is not there; PERMISSION_DENIED. `make_folders`: missing
// folders will be made first.
absl::Status CheckWritable(const std::string& path, bool make_folders);

// Are they the same file, also if it does not exist yet?
bool SameFile(const std::string& a, const std::string& b);

// Writes all of `content` to standard output and flushes it. ABORTED: its reader has gone (`| head`), which is nothing
// to complain of; see EndIfReaderGone.
absl::Status WriteStdout(const std::string& content);

// If WriteStdout has found its reader gone, ends the process by SIGPIPE, as the shell expects of a filter. For the end
// of main, when everything is cleaned up.
void EndIfReaderGone();

}  // namespace reelsight::cli
