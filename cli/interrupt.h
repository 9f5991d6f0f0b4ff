// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C: the first one asks, the second one insists.
#pragma once

#include <thread>

#include "shared/base/cancel_token.h"

namespace reelsight::cli {

// While it lives, the first SIGINT or SIGTERM cancels the token, the second one ends the process at once with exit
// status 130. SIGPIPE is ignored, so that a closed reader is an error of write, not a death. One at a time in a
// process.
class InterruptHandler {
 public:
  explicit InterruptHandler(CancelToken token);
  ~InterruptHandler();
  InterruptHandler(const InterruptHandler&) = delete;
  InterruptHandler& operator=(const InterruptHandler&) = delete;

  // True once a signal came.
  static bool interrupted();

 private:
  const CancelToken token_;
  std::thread thread_;
};

}  // namespace reelsight::cli
