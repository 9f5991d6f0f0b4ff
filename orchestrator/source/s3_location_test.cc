// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/s3_location.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

S3Location Make(const std::string& endpoint, const std::string& region = "", S3Location::Credentials credentials = {}) {
  config::v1::S3Config config;
  config.set_endpoint(endpoint);
  config.set_region(region);
  auto location = S3Location::Create(config, std::move(credentials));
  EXPECT_TRUE(location.ok()) << location.status();
  return *location;
}

std::string ErrorXml(const std::string& code, const std::string& more = "") {
  return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>m</Message>" + more + "</Error>";
}

TEST(S3LocationTest, UrlsAreBuilt) {
  EXPECT_EQ(Make("").Url("clips", "a/b.mp4"), "https://clips.s3.us-east-1.amazonaws.com/a/b.mp4");
  EXPECT_EQ(Make("", "", {.region = "eu-west-1"}).Url("clips", "k"), "https://clips.s3.eu-west-1.amazonaws.com/k");
  EXPECT_EQ(Make("", "eu-central-1", {.region = "eu-west-1"}).Url("clips", "k"),
            "https://clips.s3.eu-central-1.amazonaws.com/k");
  EXPECT_EQ(Make("", "cn-north-1").Url("clips", "k"), "https://clips.s3.cn-north-1.amazonaws.com.cn/k");
  // The certificate does not hold for more labels.
  EXPECT_EQ(Make("").Url("my.clips", "k"), "https://s3.us-east-1.amazonaws.com/my.clips/k");
  EXPECT_EQ(Make("http://MinIO:9000/").Url("clips", "k"), "http://minio:9000/clips/k");
  EXPECT_EQ(Make("https://host:443/base").Url("clips", "k"), "https://host/base/clips/k");
  EXPECT_EQ(Make("").Url("clips", "a b+c=d&e?f#g%20\xC3\xA9~/../x"),
            "https://clips.s3.us-east-1.amazonaws.com/a%20b%2Bc%3Dd%26e%3Ff%23g%2520%C3%A9~/../x");
  config::v1::S3Config config;
  config.set_endpoint("http://host:9000");
  config.set_path_style(false);
  EXPECT_EQ(S3Location::Create(config, {})->Url("clips", "k"), "http://clips.host:9000/k");
}

TEST(S3LocationTest, ConfigurationIsChecked) {
  for (const char* endpoint : {"host", "ftp://host", "http://", "http://user@host", "http://host?x"}) {
    config::v1::S3Config config;
    config.set_endpoint(endpoint);
    EXPECT_EQ(GetMetadata(S3Location::Create(config, {}).status(), "field"), "sources.s3.endpoint") << endpoint;
  }
  config::v1::S3Config config;
  config.set_region("a/b");
  EXPECT_EQ(GetMetadata(S3Location::Create(config, {}).status(), "field"), "sources.s3.region");
}

TEST(S3LocationTest, OnlyAConfiguredEndpointMayBePrivate) {
  HttpSource::Options amazon, own;
  Make("", "", {"id", "key", "", ""}).Configure("clips", amazon);
  EXPECT_FALSE(amazon.transfer.allow_private_addresses);
  EXPECT_EQ(amazon.aws_sigv4, "aws:amz:us-east-1:s3");
  EXPECT_EQ(std::count_if(amazon.headers.begin(), amazon.headers.end(), [](const auto& h) { return h[0] == 'H'; }), 0);
  Make("http://minio:9000", "eu-west-1", {"id", "key", "token", ""}).Configure("clips", own);
  EXPECT_TRUE(own.transfer.allow_private_addresses);
  EXPECT_EQ(own.max_redirects, 0);
  EXPECT_EQ(std::count(own.headers.begin(), own.headers.end(), "Host: minio:9000"), 1);
  EXPECT_EQ(std::count(own.headers.begin(), own.headers.end(), "x-amz-security-token: token"), 1);
  HttpSource::Options anonymous;
  Make("").Configure("clips", anonymous);
  EXPECT_TRUE(anonymous.aws_sigv4.empty());
}

TEST(S3LocationTest, ErrorsAreExplained) {
  const S3Location location = Make("", "", {"id", "key", "", ""});
  EXPECT_EQ(location.Explain(404, ErrorXml("NoSuchKey"), "clips").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(location.Explain(404, ErrorXml("NoSuchBucket"), "clips").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(location.Explain(403, ErrorXml("AccessDenied"), "clips").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(location.Explain(403, ErrorXml("SignatureDoesNotMatch"), "clips").code(),
            absl::StatusCode::kFailedPrecondition);
  const absl::Status region =
      location.Explain(400, ErrorXml("AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>"), "clips");
  EXPECT_EQ(region.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(region.message().find("eu-west-3"), absl::string_view::npos) << region;
  EXPECT_NE(Make("").Explain(403, "", "clips").message().find("AWS_ACCESS_KEY_ID"), absl::string_view::npos);
  EXPECT_TRUE(location.Explain(404, "", "clips").ok());
  EXPECT_TRUE(location.Explain(500, "garbage <Code>", "clips").ok());
}

}  // namespace
}  // namespace reelsight::orchestrator
