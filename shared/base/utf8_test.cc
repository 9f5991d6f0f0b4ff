// SPDX-License-Identifier: Apache-2.0
#include "shared/base/utf8.h"

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(ValidUtf8Test, KeepsWhatIsValid) {
  for (const char* text : {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC", "\xF0\x9F\x8E\xAC", "\xEF\xBF\xBD"}) {
    EXPECT_EQ(ValidUtf8(text), text);
  }
}

TEST(ValidUtf8Test, ReplacesEachByteThatIsNot) {
  EXPECT_EQ(ValidUtf8("a\xFF"), "a?");
  EXPECT_EQ(ValidUtf8("\xC3"), "?");                 // Cut short.
  EXPECT_EQ(ValidUtf8("\xC0\xAF"), "??");            // Too long.
  EXPECT_EQ(ValidUtf8("\xED\xA0\x80"), "???");       // A surrogate.
  EXPECT_EQ(ValidUtf8("\xF4\x90\x80\x80"), "????");  // Above U+10FFFF.
  EXPECT_EQ(ValidUtf8("\xC3(\xE2\x82."), "?(??.");   // The wrong byte after the lead.
}

}  // namespace
}  // namespace reelsight
