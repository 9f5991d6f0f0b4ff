// SPDX-License-Identifier: Apache-2.0
#include "shared/base/unique_fd.h"

#include <fcntl.h>

#include <utility>

#include "gtest/gtest.h"

namespace reelsight {
namespace {

int OpenNull() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFdTest, ClosesWhatItOwns) {
  const int fd = OpenNull();
  {
    const UniqueFd owner(fd);
    EXPECT_TRUE(owner.ok());
    EXPECT_EQ(owner.get(), fd);
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFdTest, ResetClosesNow) {
  const int fd = OpenNull();
  UniqueFd owner(fd);
  owner.reset();
  EXPECT_FALSE(IsOpen(fd));
  EXPECT_FALSE(owner.ok());
  EXPECT_EQ(owner.get(), -1);
  owner.reset();
}

TEST(UniqueFdTest, ReleaseGivesItAwayOpen) {
  const int fd = OpenNull();
  UniqueFd owner(fd);
  EXPECT_EQ(owner.release(), fd);
  EXPECT_FALSE(owner.ok());
  EXPECT_EQ(owner.release(), -1);
  owner.reset();
  EXPECT_TRUE(IsOpen(fd));
  close(fd);
}

TEST(UniqueFdTest, MovesLeaveOneOwner) {
  const int fd = OpenNull(), other = OpenNull();
  {
    UniqueFd first(fd);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first.ok());  // NOLINT(bugprone-use-after-move): what a move leaves is part of the contract.
    EXPECT_EQ(second.get(), fd);
    second = UniqueFd(other);
    EXPECT_EQ(second.get(), other);
    EXPECT_FALSE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(other));
}

TEST(UniqueFdTest, ZeroIsADescriptorAndNothingIsNone) {
  EXPECT_FALSE(UniqueFd().ok());
  EXPECT_EQ(UniqueFd().get(), -1);
  EXPECT_FALSE(UniqueFd(-1).ok());
  UniqueFd zero(0);
  EXPECT_TRUE(zero.ok());
  EXPECT_EQ(zero.release(), 0);
  // Closes it, where a test may do without what comes in.
  const UniqueFd kept(fcntl(0, F_DUPFD_CLOEXEC, 3));
  if (kept.ok()) close(0);
  ASSERT_EQ(OpenNull(), 0);
  UniqueFd(0).reset();
  EXPECT_FALSE(IsOpen(0));
  if (kept.ok()) dup2(kept.get(), 0);
}

}  // namespace
}  // namespace reelsight
