// SPDX-License-Identifier: Apache-2.0
#include "shared/process/cpu_set.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CpuSetTest, ParsesAndFormats) {
  EXPECT_THAT(ParseCpuList("8,0-2,1").value(), ElementsAre(0, 1, 2, 8));
  EXPECT_EQ(FormatCpuList({0, 1, 2, 8}), "0-2,8");
  for (const char* const bad : {"", "a", "3-1", "-1", "0,", "0-", "99999", "1-2-3"}) {
    EXPECT_FALSE(ParseCpuList(bad).ok()) << bad;
  }
}

TEST(CpuSetTest, RefusesProcessorsItMayNotUse) {
  const absl::Status status = PinToCpus({AvailableCpus().back(), 1023});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1023"));
}

TEST(CpuSetTest, PinsTheCallingThread) {
  const std::vector<int> before = AvailableCpus();
  ASSERT_TRUE(PinToCpus({before.front()}).ok());
  EXPECT_THAT(AvailableCpus(), ElementsAre(before.front()));
  ASSERT_TRUE(PinToCpus({before.front()}).ok());
}

}  // namespace
}  // namespace reelsight::process
