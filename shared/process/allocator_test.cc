// SPDX-License-Identifier: Apache-2.0
#include "shared/process/allocator.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace reelsight::process {
namespace {

// Arenas in use, out of what glibc tells about itself.
int CountArenas() {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = open_memstream(&text, &size);
  malloc_info(0, out);
  std::fclose(out);
  const std::unique_ptr<char, decltype(&std::free)> owned(text, &std::free);
  const std::string info(text, size);
  int count = 0;
  for (size_t at = info.find("<heap nr="); at != std::string::npos; at = info.find("<heap nr=", at + 1)) ++count;
  return count;
}

TEST(AllocatorTest, ThreadsShareAFewArenas) {
  const int limit = LimitArenas();
  if (limit == 0) GTEST_SKIP() << "the environment or the C library decides about arenas";
  std::mutex mutex;
  std::condition_variable changed;
  int ready = 0;
  bool done = false;
  std::vector<std::thread> threads;
  constexpr int kThreads = 32;
  for (int i = 0; i < limit * 2 + kThreads; ++i) {
    threads.emplace_back([&] {
      const auto held = std::make_unique<std::vector<char>>(1000);
      std::unique_lock lock(mutex);
      ++ready;
      changed.notify_all();
      changed.wait(lock, [&] { return done; });
    });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready == static_cast<int>(threads.size()); });
    EXPECT_LE(CountArenas(), limit);
    done = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace reelsight::process
