// SPDX-License-Identifier: Apache-2.0
#include "shared/base/quantile.h"

#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(QuantileTest, HasItsShareOfTheValuesBeforeIt) {
  const std::vector<int> values = {7, 0, 3, 5, 1, 6, 2, 4};
  EXPECT_EQ(Quantile(values, 0), 0);
  EXPECT_EQ(Quantile(values, 0.24), 1);
  EXPECT_EQ(Quantile(values, 0.25), 2);
  EXPECT_EQ(Quantile(values, 0.75), 6);
  EXPECT_EQ(Quantile(values, 0.99), 7);
  EXPECT_EQ(Quantile(values, 0.25, std::greater<>()), 5);
  EXPECT_EQ(Quantile(std::vector<double>{1.5}, 0.75), 1.5);
}

TEST(MedianTest, IsTheMiddleOrTheUpperOfTwo) {
  EXPECT_EQ(Median(std::vector<int>{3, 1, 2}), 2);
  EXPECT_EQ(Median(std::vector<absl::Duration>{absl::Seconds(3), absl::Seconds(1)}), absl::Seconds(3));
  EXPECT_EQ(Median(std::vector<int>{4, 1, 3, 2}, std::greater<>()), 2);
}

}  // namespace
}  // namespace reelsight
