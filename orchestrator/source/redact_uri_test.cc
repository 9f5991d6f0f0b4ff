// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/redact_uri.h"

#include <curl/curl.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

TEST(RedactUriTest, SecretsAreNotShown) {
  EXPECT_EQ(RedactUri("https://user:secret@host:8443/@name/video.mp4?token=secret#secret"),
            "https://host:8443/@name/video.mp4");
  EXPECT_EQ(RedactUri("http://a@b:secret@host/x"), "http://host/x");
  EXPECT_EQ(RedactUri("http://user:secret@host?secret"), "http://host");
  // libcurl takes all before the last `@` for a password, a browser `\` for the end of the host.
  EXPECT_EQ(RedactUri("http://user:secret@host\\@other/"), "http://other/");
  EXPECT_EQ(RedactUri("http://user:secret@[::1]:80/x?y"), "http://[::1]:80/x");
  EXPECT_EQ(RedactUri("s3://secret:secret@bucket/a@b"), "s3://bucket/a@b");
}

TEST(RedactUriTest, NoFormOfAUrlShowsThem) {
  for (const char* uri : {
           "http:/secret:secret@host/x",
           "http:///secret:secret@host/x",
           "http:////secret:secret@host/x",
           "http:secret:secret@host/x",
           "HTTPS://secret:secret@host/x",
           "hTTp:/secret@host/x",
           "secret:secret@host/x",
           "secret@host",
           "secret;secret:secret@host/x",
           "//secret:secret@host/x",
           "///secret:secret@host/x",
           "\\\\secret:secret@host\\x",
           "http:\\\\secret:secret@host/x",
           "http:\\/secret:secret@host/x",
           "http:/\\secret:secret@host/x",
           " \t\nhttp://secret:secret@host/x",
           "ht\ttp://secret:secret@host/x",
           "http:\n//secret:secret@host/x",
           "http://\nsecret:sec\nret@host/x",
           "http://secret@secret@secret:secret@host/x",
           "http://secret%3Asecret%40host/x",
           "http://secret%253Asecret%2540host/x",
           "http%3A%2F%2Fsecret%3Asecret%40host%2Fx",
           "http://secret:secret%2F%40secret@host/x",
           "http://:secret@[fe80::1%25eth0]:80/x",
           "http://secret:sec/secret@host/x",
           "http://secret:sec?secret@host/x",
           "http://secret:sec#secret@host/x",
           "ftp://secret:secret@host/x?secret",
           "http://host/x?X-Amz-Signature=secret",
           "http:/host/x?token=secret",
           "host/x?token=secret",
           "//host/x?token=secret",
           "http://host/x#access_token=secret",
           "s3://bucket/x?X-Amz-Security-Token=secret",
           "file://secret:secret@host/x",
           "/proxy/http://secret:secret@host/x?token=secret",
           "http://proxy/http://secret:secret@host/x",
       }) {
    EXPECT_EQ(RedactUri(uri).find("secret"), std::string::npos) << uri << " is shown as " << RedactUri(uri);
  }
}

TEST(RedactUriTest, WhatIsNoSecretStays) {
  for (const char* uri : {"/videos/@user/clip@2x.mp4", "/videos/what?a=b#1.mp4", "clip.mp4", "folder/@user/clip.mp4",
                          "s3://bucket/what?#n", "s3://bucket/user:x@y://z", "file:///clip@2x.mp4",
                          "https://host:8443/a@b/c%40d", "http://[::1]/x", "what?.mp4"}) {
    EXPECT_EQ(RedactUri(uri), uri);
  }
  EXPECT_EQ(RedactUri("clip@2x.mp4"), "***@2x.mp4");
  EXPECT_EQ(RedactUri("/path\nwith\x1b[31mcontrol\x7f"), "/path?with?[31mcontrol?");
  EXPECT_EQ(RedactUri(""), "");
}

// The parts of `uri` that libcurl takes for user, password and options, as they stand there and decoded.
std::vector<std::string> UserInfo(const std::string& uri, const std::string& base, unsigned flags) {
  std::vector<std::string> found;
  CURLU* const url = curl_url();
  if ((base.empty() || curl_url_set(url, CURLUPART_URL, base.c_str(), 0) == CURLUE_OK) &&
      curl_url_set(url, CURLUPART_URL, uri.c_str(), flags) == CURLUE_OK) {
    for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS}) {
      for (const unsigned get_flags : {0U, static_cast<unsigned>(CURLU_URLDECODE)}) {
        char* text = nullptr;
        if (curl_url_get(url, part, &text, get_flags) == CURLUE_OK && text != nullptr) found.emplace_back(text);
        curl_free(text);
      }
    }
  }
  curl_url_cleanup(url);
  return found;
}

TEST(RedactUriTest, NothingSurvivesThatLibcurlTakesForUserOrPassword) {
  // What libcurl itself parses a transfer's URL with, and what redirects are resolved with.
  struct Way {
    std::string base;
    unsigned flags;
  };
  const Way ways[] = {{"", CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME},
                      {"", CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS},
                      {"", CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME | CURLU_ALLOW_SPACE | CURLU_URLENCODE},
                      {"", 0},
                      {"http://base/x", CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE}};
  const char* const pieces[] = {"http", "https", "HtTp", "s3", "file", "ftp",   ":",   ":",       "/", "/",   "//",
                                "://",  "://",   "@",    "@",  "@",    "\\",    "?",   "#",       ";", "%40", "%2540",
                                "%2F",  "%3A",   "[",    "]",  "::1",  "[::1]", ":80", "host.x",  " ", "\t",  "\n",
                                "=",    ".",     "..",   "&",  "%",    "+",     "-",   "\xC3\xA9"};
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  int with_user_info = 0;
  for (int round = 0; round < 50'000; ++round) {
    // Every token is another text, so that one that is found is found where it should not be.
    std::string uri;
    std::vector<std::string> tokens;
    const size_t length = 2 + random() % 9;
    for (size_t i = 0; i < length; ++i) {
      if (random() % 3 == 0) {
        tokens.push_back(absl::StrCat("tok", tokens.size(), "en"));
        uri += tokens.back();
      } else {
        uri += pieces[random() % std::size(pieces)];
      }
    }
    // Half of them begin as a URL does.
    if (random() % 2 == 0) uri = absl::StrCat(pieces[random() % 4], random() % 2 == 0 ? "://" : ":/", uri);
    const std::string shown = RedactUri(uri);
    for (const Way& way : ways) {
      const std::vector<std::string> parts = UserInfo(uri, way.base, way.flags);
      with_user_info += parts.empty() ? 0 : 1;
      for (const std::string& part : parts) {
        for (const std::string& token : tokens) {
          ASSERT_TRUE(part.find(token) == std::string::npos || shown.find(token) == std::string::npos)
              << "`" << uri << "` is shown as `" << shown << "`, but libcurl finds `" << part << "`";
        }
      }
    }
  }
  // The property is not true of nothing.
  EXPECT_GT(with_user_info, 1000);
}

}  // namespace
}  // namespace reelsight::orchestrator
