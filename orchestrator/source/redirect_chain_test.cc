// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/redirect_chain.h"

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

TEST(RedirectChainTest, HttpsDoesNotLeadToHttpUnlessThatIsAllowed) {
  RedirectChain chain("https://a.example/clip", "clip", {});
  const absl::Status refused = chain.Follow("HTTP://a.example/clip");
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied) << refused;
  EXPECT_EQ(GetReason(refused), "SOURCE_FORBIDDEN");
  EXPECT_EQ(chain.url(), "https://a.example/clip");

  // Neither by way of another redirect, and http may lead to https.
  RedirectChain mixed("http://a.example/clip", "clip", {});
  EXPECT_TRUE(mixed.Follow("http://b.example/clip").ok());
  EXPECT_TRUE(mixed.Follow("https://b.example/clip").ok());
  EXPECT_EQ(GetReason(mixed.Follow("http://b.example/clip")), "SOURCE_FORBIDDEN");

  RedirectChain lenient("https://a.example/clip", "clip", {.allow_insecure = true});
  EXPECT_TRUE(lenient.Follow("http://a.example/clip").ok());
}

TEST(RedirectChainTest, OtherSchemesAreRefusedAndPlacesAreResolved) {
  RedirectChain chain("https://user:secret@a.example/videos/clip", "clip", {});
  for (const char* location : {"file:///etc/passwd", "ftp://a.example/clip", "gopher://a.example/"}) {
    EXPECT_EQ(GetReason(chain.Follow(location)), "SOURCE_FORBIDDEN") << location;
  }
  EXPECT_TRUE(chain.Follow("../other").ok());
  EXPECT_EQ(chain.url(), "https://user:secret@a.example/other");
  EXPECT_TRUE(chain.Follow("https://b.example/clip").ok());
  EXPECT_EQ(chain.url(), "https://b.example/clip");
}

TEST(RedirectChainTest, CountsRedirectsFromTheLastArrival) {
  RedirectChain chain("https://a.example/0", "clip", {.max_redirects = 2});
  EXPECT_FALSE(chain.StartAgain());
  EXPECT_TRUE(chain.Follow("/1").ok());
  EXPECT_TRUE(chain.Follow("/2").ok());
  EXPECT_EQ(chain.Follow("/3").code(), absl::StatusCode::kInvalidArgument);
  chain.Arrived();
  EXPECT_TRUE(chain.Follow("/4").ok());
  EXPECT_TRUE(chain.StartAgain());
  EXPECT_EQ(chain.url(), "https://a.example/0");
  EXPECT_TRUE(chain.Follow("/5").ok());
  EXPECT_TRUE(chain.Follow("/6").ok());
}

}  // namespace
}  // namespace reelsight::orchestrator
