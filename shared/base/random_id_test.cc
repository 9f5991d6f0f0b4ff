// SPDX-License-Identifier: Apache-2.0
#include "shared/base/random_id.h"

#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(RandomIdTest, IsOfSixteenBytesThatDiffer) {
  constexpr int kBytes = 16;
  std::set<std::string> ids;
  std::vector<std::set<std::string>> values(kBytes);
  // That some byte is the same in all of them happens once in 2^108 runs.
  for (int i = 0; i < 15; ++i) {
    const std::string id = RandomId();
    EXPECT_EQ(id.size(), 2u * kBytes);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    ids.insert(id);
    for (int byte = 0; byte < kBytes; ++byte) values[byte].insert(id.substr(2 * byte, 2));
  }
  EXPECT_EQ(ids.size(), 15u);
  for (const std::set<std::string>& value : values) EXPECT_GT(value.size(), 1u);
}

}  // namespace
}  // namespace reelsight
