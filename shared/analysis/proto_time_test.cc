// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/proto_time.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace reelsight::analysis {
namespace {

TEST(ProtoTimeTest, GoesThereAndBack) {
  const auto is = [](absl::Duration duration, int64_t seconds, int32_t nanos) {
    const google::protobuf::Duration message = ToProto(duration);
    EXPECT_EQ(message.seconds(), seconds) << duration;
    EXPECT_EQ(message.nanos(), nanos) << duration;
    EXPECT_EQ(FromProto(message), duration);
  };
  is(absl::ZeroDuration(), 0, 0);
  is(absl::Milliseconds(1500), 1, 500'000'000);
  is(absl::Nanoseconds(999'999'999), 0, 999'999'999);
  is(absl::Hours(1) + absl::Nanoseconds(1), 3600, 1);
  // Both parts have one sign, as the message wants it.
  is(absl::Milliseconds(-1500), -1, -500'000'000);
}

TEST(ProtoTimeTest, WhatIsBelowANanosecondIsDropped) {
  EXPECT_EQ(ToProto(absl::Seconds(1) / 3).nanos(), 333'333'333);
  EXPECT_EQ(ToProto(absl::Seconds(2) / 3).nanos(), 666'666'666);
}

}  // namespace
}  // namespace reelsight::analysis
