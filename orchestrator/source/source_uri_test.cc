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

TEST(SourceUriTest, SecretsAreNotShown) {
  EXPECT_EQ(RedactUri("https://user:secret@host:8443/@name/video.mp4?token=secret#secret"),
            "https://host:8443/@name/video.mp4");
  EXPECT_EQ(RedactUri("http://a@b:secret@host/x"), "http://host/x");
  EXPECT_EQ(RedactUri("http://user:secret@host?secret"), "http://host");
  EXPECT_EQ(RedactUri("http://user:secret@host\\@other/"), "http://host\\@other/");
  EXPECT_EQ(RedactUri("s3://bucket/what?#n"), "s3://bucket/what?#n");
  EXPECT_EQ(RedactUri("/path\nwith\x1b[31mcontrol"), "/path?with?[31mcontrol");
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
