// SPDX-License-Identifier: Apache-2.0
//
// What the program's exit status means.
#pragma once

namespace reelsight::cli {

enum class ExitCode : int {
  // All videos and all their analyzers succeeded.
  kOk = 0,
  // A video, or the thing asked for, failed.
  kFailed = 1,
  // The command line is wrong; nothing was tried.
  kUsage = 2,
  // Every video was analysed, but some analyzers failed.
  kSomeAnalyzersFailed = 3,
  // Stopped by Ctrl-C.
  kInterrupted = 130,
};

// The exit status of a sequence of videos: the gravest of both. kInterrupted > kUsage > kFailed > kSomeAnalyzersFailed.
constexpr ExitCode Worse(ExitCode a, ExitCode b) {
  constexpr auto gravity = [](ExitCode code) {
    switch (code) {
      case ExitCode::kOk:
        return 0;
      case ExitCode::kSomeAnalyzersFailed:
        return 1;
      case ExitCode::kFailed:
        return 2;
      case ExitCode::kUsage:
        return 3;
      case ExitCode::kInterrupted:
        return 4;
    }
    return 2;
  };
  return gravity(a) >= gravity(b) ? a : b;
}

}  // namespace reelsight::cli
