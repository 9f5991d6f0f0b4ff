// SPDX-License-Identifier: Apache-2.0
#include "shared/process/descriptors.h"

#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include "gtest/gtest.h"

namespace reelsight::process {
namespace {

TEST(DescriptorCountTest, CountsWhatIsOpenAlsoWhenNothingMoreCanBeOpened) {
  const DescriptorCount count;
  const int64_t before = count.open();
  EXPECT_GE(before, 3);
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit low = {static_cast<rlim_t>(before) + 20, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(count.limit(), before + 20);
  std::vector<int> hoard;
  for (int fd = 0; (fd = dup(0)) >= 0;) hoard.push_back(fd);
  EXPECT_EQ(count.open(), before + static_cast<int64_t>(hoard.size()));
  for (const int fd : hoard) close(fd);
  EXPECT_EQ(count.open(), before);

  RaiseDescriptorLimit();
  EXPECT_EQ(count.limit(), static_cast<int64_t>(limit.rlim_max));
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace reelsight::process
