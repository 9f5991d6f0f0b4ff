// SPDX-License-Identifier: Apache-2.0
#include "shared/base/utf8.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(FirstCharacterTest, GivesBytesAndCode) {
  const auto is = [](const char* text, size_t bytes, char32_t code) {
    const Utf8Character first = FirstCharacter(text);
    EXPECT_EQ(first.bytes, bytes) << text;
    EXPECT_EQ(first.code, code) << text;
  };
  is("ab", 1, U'a');
  is("\x7F", 1, 0x7F);
  is("\u0080z", 2, 0x80);
  is("\u07FFz", 2, 0x7FF);
  is("\u0800z", 3, 0x800);
  is("\uFFFDz", 3, 0xFFFD);
  is("\U00010000z", 4, 0x10000);
  is("\U0010FFFFz", 4, 0x10FFFF);
  is("", 0, 0);
  is("\x80", 0, 0);
  is("\xC3", 0, 0);
  EXPECT_EQ(FirstCharacter({"\0", 1}).bytes, 1u);
}

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

TEST(ValidUtf8Test, AgreesWithTheStandardOnEveryBeginning) {
  // Table 3-7 of the Unicode standard: lead bytes, bytes that may come second, and how many there are in all.
  struct Row {
    int first_lead, last_lead;
    int first_second, last_second;
    size_t size;
  };
  constexpr Row kRows[] = {{0x00, 0x7F, 0x00, 0xFF, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                           {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
                           {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
  for (int lead = 0; lead <= 0xFF; ++lead) {
    for (int second = 0; second <= 0xFF; ++second) {
      const std::string text = {static_cast<char>(lead), static_cast<char>(second), '\x80', '\xBF'};
      std::string beginning = "?";
      for (const Row& row : kRows) {
        if (row.first_lead <= lead && lead <= row.last_lead && row.first_second <= second && second <= row.last_second)
          beginning = text.substr(0, row.size);
      }
      ASSERT_EQ(ValidUtf8(text).substr(0, beginning.size()), beginning) << "bytes " << lead << " and " << second;
    }
  }
}

TEST(ValidUtf8Test, EveryByteAfterTheLeadMustBeThereAndOfItsKind) {
  for (const std::string whole : {"\xC2\x80", "\xE2\x82\xAC", "\xF0\x9F\x8E\xAC"}) {
    EXPECT_EQ(ValidUtf8(whole + "."), whole + ".");
    for (size_t at = 1; at < whole.size(); ++at) {
      EXPECT_EQ(ValidUtf8(whole.substr(0, at)), std::string(at, '?'));
      for (const char wrong : {'\x7F', '\xC0'}) {
        std::string text = whole;
        text[at] = wrong;
        EXPECT_NE(ValidUtf8(text), text) << "byte " << at << " of " << whole.size();
      }
    }
  }
}

TEST(ValidUtf8Test, PutsWhatItIsToldInPlaceOfAByte) {
  EXPECT_EQ(ValidUtf8("a\xFF\xFE z", "\xEF\xBF\xBD"), "a\xEF\xBF\xBD\xEF\xBF\xBD z");
  EXPECT_EQ(ValidUtf8("\xFF", ""), "");
}

}  // namespace
}  // namespace reelsight
