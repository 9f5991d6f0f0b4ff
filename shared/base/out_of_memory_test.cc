// SPDX-License-Identifier: Apache-2.0
#include "shared/base/out_of_memory.h"

#include <stdexcept>

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(OrOutOfMemoryTest, OnlyShortMemoryBecomesAStatus) {
  EXPECT_EQ(*OrOutOfMemory("decoding", []() -> absl::StatusOr<int> { return 7; }), 7);
  EXPECT_EQ(OrOutOfMemory("decoding", [] { return absl::DataLossError("broken"); }), absl::DataLossError("broken"));
  EXPECT_EQ(OrOutOfMemory("decoding", []() -> absl::Status { throw std::bad_alloc(); }), OutOfMemory("decoding"));
  EXPECT_THROW((void)OrOutOfMemory("decoding", []() -> absl::Status { throw std::logic_error("bug"); }),
               std::logic_error);
}

}  // namespace
}  // namespace reelsight
