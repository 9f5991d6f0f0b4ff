// SPDX-License-Identifier: Apache-2.0
#include "shared/digest/sha256.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace reelsight::digest {
namespace {

std::string HashOf(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

// The examples that NIST gives beside FIPS 180-4.
TEST(Sha256Test, AgreesWithTheStandard) {
  EXPECT_EQ(HashOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(HashOf(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, PiecesAreAsTheWhole) {
  const std::string_view whole = "the quick brown fox";
  for (size_t at = 0; at <= whole.size(); ++at) {
    Sha256 hash;
    hash.Update(whole.substr(0, at));
    hash.Update(whole.substr(at));
    EXPECT_EQ(hash.HexDigest(), HashOf(whole)) << at;
  }
}

TEST(Sha256Test, MoreMayFollowADigest) {
  Sha256 hash;
  hash.Update("a");
  EXPECT_EQ(hash.HexDigest(), HashOf("a"));
  EXPECT_EQ(hash.HexDigest(), HashOf("a"));
  hash.Update("bc");
  EXPECT_EQ(hash.HexDigest(), HashOf("abc"));
}

}  // namespace
}  // namespace reelsight::digest
