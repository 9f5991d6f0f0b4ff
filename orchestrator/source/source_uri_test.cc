// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/source_uri.h"

#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

TEST(SourceUriTest, KindsAreTold) {
  EXPECT_EQ(SourceUri::Parse("/videos/a%20b.mp4")->location, "/videos/a%20b.mp4");
  EXPECT_EQ(SourceUri::Parse("clip.mp4")->kind, SourceUri::Kind::kFile);
  EXPECT_EQ(SourceUri::Parse("file:///videos/a%20b%C3%A9.mp4")->location, "/videos/a b\xC3\xA9.mp4");
  EXPECT_EQ(SourceUri::Parse("FILE://LocalHost/x")->location, "/x");
  EXPECT_EQ(SourceUri::Parse("HTTPS://host/x?y")->kind, SourceUri::Kind::kHttp);
  const auto s3 = SourceUri::Parse("s3://my.bucket-1/a/../b%20?#c");
  ASSERT_TRUE(s3.ok());
  EXPECT_EQ(s3->bucket, "my.bucket-1");
  EXPECT_EQ(s3->key, "a/../b%20?#c");
  for (const char* uri :
       {"", "s3://ab/key", "s3://-abc/key", "s3://a..b/key", "s3://A_B/key", "file:///%4", "gopher://x/"}) {
    EXPECT_EQ(SourceUri::Parse(uri).status().code(), absl::StatusCode::kInvalidArgument) << uri;
  }
}

TEST(SourceUriTest, KeysThatClimbOutOfTheirBucketAreRefused) {
  for (const char* key : {
           "..",
           "../x",
           "../../minio/admin/v3/info",
           "a/../../x",
           "a//../../x",
           "a/./../../x",
           "./../x",
           "/../x",
           "a/b/../../../x/y/z/..",
           "..\\x",
           "a\\..\\..\\x",
           "a\\../..\\x",
           "%2e%2e/x",
           ".%2E/x",
           "..%2fx",
           "a%2F..%2F..%2Fx",
           "%252e%252e%252fx",
           "%25252e%25252e/x",
           "%5c..%5cx",
           "a/%2e%2e/%2E./x",
           "%%32e./x",
       }) {
    const absl::Status status = SourceUri::Parse(std::string("s3://bucket/") + key).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_NE(status.message().find("out of the bucket"), absl::string_view::npos) << key << ": " << status;
  }
  for (const char* key : {"a/../x", "a/b/../../x", "..x/y", "x../...", ".", "a//b", "%2e", "a/%2e%2e/x", "100%",
                          "%zz/..", "a%2f..%2fx", "...\\x"}) {
    const auto parsed = SourceUri::Parse(std::string("s3://bucket/") + key);
    ASSERT_TRUE(parsed.ok()) << key << ": " << parsed.status();
    EXPECT_EQ(parsed->key, key);
  }
}

TEST(SourceUriTest, NamesThatAreNoBucketsAreRefused) {
  for (const char* bucket : {"",
                             ".",
                             "..",
                             "...",
                             "a..b",
                             ".abc",
                             "abc.",
                             "-abc",
                             "ab",
                             "a%2fb",
                             "%2e%2e",
                             "a\\b",
                             "a b",
                             "a:b",
                             "a@bc",
                             "abc?x",
                             "abc#x",
                             "ABC",
                             "a_bc",
                             "b\xC3\xBC"
                             "cher",
                             "a\nbc",
                             "a;bc",
                             "[::1]"}) {
    const absl::Status status = SourceUri::Parse(std::string("s3://") + bucket + "/key").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bucket;
  }
}

TEST(SourceUriTest, WebPagesAreTold) {
  for (const char* page : {"<!DOCTYPE html>", "  \r\n<HTML lang=en>", "\xEF\xBB\xBF<html>", "<head>",
                           "<!-- x --><html>", "<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC><html>"}) {
    EXPECT_TRUE(LooksLikeWebPage(page)) << page;
  }
  for (const char* other : {"", "   ", "\x1A\x45\xDF\xA3", "<?xml version=\"1.0\"?><MPD>", "hello <html>"}) {
    EXPECT_FALSE(LooksLikeWebPage(other)) << other;
  }
}

}  // namespace
}  // namespace reelsight::orchestrator
