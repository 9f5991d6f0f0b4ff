// SPDX-License-Identifier: Apache-2.0
#include "shared/base/test_pause.h"

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(TestPauseTest, RunsOthersOnceAndAtItsOwnPoint) {
  int runs = 0;
  {
    const PauseForTest pause("m", [&] { ++runs; });
    for (const char* const other : {"", "l", "n", "mm"}) TestPause(other);
    EXPECT_EQ(runs, 0);
    EXPECT_FALSE(pause.reached());
    TestPause("m");
    TestPause("m");
    EXPECT_EQ(runs, 1);
    EXPECT_TRUE(pause.reached());
  }
  TestPause("m");
  EXPECT_EQ(runs, 1);
  const PauseForTest anew("m", [&] { ++runs; });
  EXPECT_FALSE(anew.reached());
  TestPause("m");
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace reelsight
