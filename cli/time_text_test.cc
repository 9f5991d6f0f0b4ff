// SPDX-License-Identifier: Apache-2.0
#include "cli/time_text.h"

#include "gtest/gtest.h"

namespace reelsight::cli {
namespace {

TEST(ParseTimeTest, TakesTheFormsItShows) {
  EXPECT_EQ(*ParseTime("0"), absl::ZeroDuration());
  EXPECT_EQ(*ParseTime("12.5"), absl::Milliseconds(12500));
  EXPECT_EQ(*ParseTime("12.5s"), absl::Milliseconds(12500));
  EXPECT_EQ(*ParseTime("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseTime("1m30s"), absl::Seconds(90));
  EXPECT_EQ(*ParseTime("1:02"), absl::Seconds(62));
  EXPECT_EQ(*ParseTime("1:02.5"), absl::Milliseconds(62500));
  EXPECT_EQ(*ParseTime("90:00"), absl::Minutes(90));
  EXPECT_EQ(*ParseTime("1:02:03.5"), absl::Milliseconds(3723500));
}

TEST(ParseTimeTest, RefusesTheRest) {
  for (const char* text : {"", " ", "-1", "-1s", "1e3", "nan", "inf", "1:60", "1:", ":1", "1.5:20", "1:2:3:4", "1:-2",
                           "abc", "99999999999999", "1h-2s", "1,5", "0x10"}) {
    const auto parsed = ParseTime(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(FormatTest, Places) {
  EXPECT_EQ(FormatPlace(absl::ZeroDuration()), "0:00.000");
  EXPECT_EQ(FormatPlace(absl::Microseconds(1'999'600)), "0:02.000");
  EXPECT_EQ(FormatPlace(absl::Milliseconds(62'345)), "1:02.345");
  EXPECT_EQ(FormatPlace(absl::Hours(1) + absl::Milliseconds(1)), "1:00:00.001");
  EXPECT_EQ(FormatPlace(-absl::Milliseconds(40)), "-0:00.040");
}

TEST(FormatTest, LengthsKeepThreeDigitsAtEveryScale) {
  EXPECT_EQ(FormatLength(absl::Microseconds(850)), "850 µs");
  EXPECT_EQ(FormatLength(absl::Microseconds(9'940)), "9.9 ms");
  EXPECT_EQ(FormatLength(absl::Milliseconds(320)), "320 ms");
  EXPECT_EQ(FormatLength(absl::Microseconds(999'600)), "1.00 s");
  EXPECT_EQ(FormatLength(absl::Milliseconds(75'300)), "75.3 s");
  EXPECT_EQ(FormatLength(absl::Milliseconds(99'960)), "1 m 40 s");
  EXPECT_EQ(FormatLength(absl::Seconds(3601)), "1 h 00 m");
}

TEST(FormatTest, Numbers) {
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(int64_t{3} << 40), "3.0 TiB");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
  EXPECT_EQ(FormatRate(25), "25");
  EXPECT_EQ(FormatRate(29.97), "29.97");
}

}  // namespace
}  // namespace reelsight::cli
