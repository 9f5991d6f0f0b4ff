// SPDX-License-Identifier: Apache-2.0
//
// SIGTERM and SIGINT as events: the first asks the program to stop, the second ends it at once.
#pragma once

#include <functional>
#include <thread>

namespace reelsight::process {

// Blocks SIGTERM and SIGINT in this thread and in those it starts from now on, and ignores SIGPIPE. Call it first in
// main: a thread that does not block them would be ended by them.
void BlockSignals();

// Waits for the signals on a thread of its own. REQUIRES: BlockSignals was called before other threads were started. At
// most one object at a time.
class SignalWatcher {
 public:
  // `on_stop` runs once, on the watcher's thread, at the first signal, with its number. At the second the process ends
  // with status 128 + the signal.
  explicit SignalWatcher(std::function<void(int signal)> on_stop);
  // Stops to watch; waits for `on_stop`.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void Watch();

  const std::function<void(int)> on_stop_;
  int stop_event_ = -1;
  std::thread thread_;
};

}  // namespace reelsight::process
