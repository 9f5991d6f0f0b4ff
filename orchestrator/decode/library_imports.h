// SPDX-License-Identifier: Apache-2.0
//
// Puts functions of ours between one loaded shared library and the functions that it calls in others. Only calls of
// that library go through them; the rest of the process calls what it always did, also under sanitizers.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"

namespace reelsight::orchestrator {

struct LibraryImport {
  const char* name;
  // With the same parameters and result.
  void* replacement;
  // Set to the function that the library called so far, before the first call of `replacement`.
  void** original;
};

// Replaces `imports` of the loaded library whose file name begins with `library`, as `libavutil.so`. For ELF on 64-bit
// machines. Not thread-safe against itself; threads may use the library meanwhile. INTERNAL, with nothing said about
// which are replaced, if the library is not loaded, does not call one of them through its import table, or the table
// cannot be written.
absl::Status ReplaceImports(const std::string& library, std::span<const LibraryImport> imports);

}  // namespace reelsight::orchestrator
