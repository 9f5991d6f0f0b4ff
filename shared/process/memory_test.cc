// SPDX-License-Identifier: Apache-2.0
#include "shared/process/memory.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace reelsight::process {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

class MemoryTest : public ::testing::Test {
 protected:
  MemoryTest()
      : root_(::testing::TempDir() + "memory_" + ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(root_);
    Write("/proc/meminfo", "MemTotal:  1024000 kB\nMemFree: 1 kB\nMemAvailable:   512000 kB\n");
  }
  ~MemoryTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void WriteVersion2(const std::string& group, const std::string& limit, int64_t usage, int64_t inactive_file) {
    Write("/sys/fs/cgroup" + group + "/memory.max", limit + "\n");
    Write("/sys/fs/cgroup" + group + "/memory.current", std::to_string(usage) + "\n");
    Write("/sys/fs/cgroup" + group + "/memory.stat", "anon 5\ninactive_file " + std::to_string(inactive_file) + "\n");
  }
  MemoryReading Read() const { return ReadMemory(root_); }

 private:
  const std::string root_;
};

TEST_F(MemoryTest, IsTheMachinesWithoutControlGroups) {
  EXPECT_EQ(Read().total_bytes, 1000 * kMegabyte);
  EXPECT_EQ(Read().available_bytes, 500 * kMegabyte);
  EXPECT_DOUBLE_EQ(Read().used_fraction, 0.5);
}

TEST_F(MemoryTest, TakesTheTightestOfTheGroupsAround) {
  Write("/proc/self/cgroup", "0::/pod/container\n");
  WriteVersion2("/pod/container", "max", 90 * kMegabyte, 0);
  WriteVersion2("/pod", std::to_string(200 * kMegabyte), 100 * kMegabyte, 0);
  WriteVersion2("", std::to_string(400 * kMegabyte), 360 * kMegabyte, 0);
  EXPECT_EQ(Read().total_bytes, 200 * kMegabyte);
  EXPECT_EQ(Read().available_bytes, 40 * kMegabyte);
  EXPECT_DOUBLE_EQ(Read().used_fraction, 0.9);
}

TEST_F(MemoryTest, FilesThatTheKernelMayDropAreNotInUse) {
  Write("/proc/self/cgroup", "0::/\n");
  WriteVersion2("", std::to_string(100 * kMegabyte), 90 * kMegabyte, 80 * kMegabyte);
  EXPECT_EQ(Read().available_bytes, 90 * kMegabyte);
  EXPECT_DOUBLE_EQ(Read().used_fraction, 0.5);
}

TEST_F(MemoryTest, FindsTheLimitAtTheRootWhereTheGroupsNameIsTheHosts) {
  Write("/proc/self/cgroup", "0::/kubepods/pod1/abc\n");
  WriteVersion2("", std::to_string(100 * kMegabyte), 75 * kMegabyte, 0);
  EXPECT_EQ(Read().total_bytes, 100 * kMegabyte);
  EXPECT_DOUBLE_EQ(Read().used_fraction, 0.75);
}

TEST_F(MemoryTest, KnowsVersion1) {
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/x\n3:memory:/docker/abc\n0::/\n");
  const std::string folder = "/sys/fs/cgroup/memory/docker/abc/";
  Write(folder + "memory.limit_in_bytes", std::to_string(100 * kMegabyte));
  Write(folder + "memory.usage_in_bytes", std::to_string(80 * kMegabyte));
  Write(folder + "memory.stat", "inactive_file 1\ntotal_inactive_file " + std::to_string(20 * kMegabyte) + "\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  Write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "12345");
  EXPECT_EQ(Read().total_bytes, 100 * kMegabyte);
  EXPECT_DOUBLE_EQ(Read().used_fraction, 0.6);
}

TEST(MemoryOfThisMachineTest, CanBeRead) {
  const MemoryReading reading = ReadMemory();
  EXPECT_GT(reading.total_bytes, 0);
  EXPECT_GT(reading.available_bytes, 0);
  EXPECT_LT(reading.available_bytes, reading.total_bytes);
  EXPECT_GT(UsedMemoryFraction(), 0);
  EXPECT_LT(UsedMemoryFraction(), 1);
}

}  // namespace
}  // namespace reelsight::process
