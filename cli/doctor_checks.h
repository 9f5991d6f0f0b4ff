// SPDX-License-Identifier: Apache-2.0
//
// What `doctor` looks at. Each check looks at one thing, says what it found and, unless all is well, what to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "shared/base/cancel_token.h"

namespace reelsight::cli {

struct Finding {
  enum class State {
    kGood,
    // Works, with a limit.
    kNote,
    kFailed,
  };
  std::string what;
  State state = State::kGood;
  std::string found;
  // What to do; empty if all is well.
  std::string remedy;
};

// Processors, their instruction sets, memory, GPU.
std::vector<Finding> CheckMachine();
// FFmpeg's version and the decoders that matter.
std::vector<Finding> CheckDecoders();
// The folder for temporary files, and the default ports.
std::vector<Finding> CheckSurroundings();
// The analyzers inside the program, then a whole run over a clip made for it, whose cuts are known. Takes about a
// second.
std::vector<Finding> CheckAnalysis(const CancelToken& cancel);

// Judges room in bytes: less than `least` fails, less than `good` is a note.
Finding::State JudgeRoom(int64_t bytes, int64_t least, int64_t good);
// The model of the machine's first NVIDIA GPU, or empty.
std::string GpuName();
// True if a server could listen on the port of 127.0.0.1 now.
bool PortIsFree(int port);

// Lines for all findings, wrapped where somebody looks at them; remedies stand below theirs.
std::string RenderFindings(const std::vector<Finding>& findings, const Terminal& terminal);
bool AnyFailed(const std::vector<Finding>& findings);

}  // namespace reelsight::cli
