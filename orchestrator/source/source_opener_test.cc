// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/source_opener.h"

#include <string>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

std::unique_ptr<SourceOpener> MakeOpener(int64_t max_source_bytes = 0) {
  config::v1::VideoLimits limits;
  limits.set_max_source_bytes(max_source_bytes);
  return *SourceOpener::Create(config::v1::SourceConfig(), limits, nullptr);
}

TEST(SourceOpenerTest, ContentIsReadInPlaceAndKeepsTheRequestAlive) {
  auto request = std::make_shared<v1::AnalyzeRequest>();
  request->set_content("0123456789");
  std::weak_ptr<v1::AnalyzeRequest> watch = request;
  auto source = MakeOpener()->Open(std::move(request), CancelToken());
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ((*source)->size_bytes(), 10);
  uint8_t bytes[8];
  EXPECT_EQ(*(*source)->ReadAt(4, bytes, CancelToken()), 6u);
  EXPECT_EQ(std::string(bytes, bytes + 6), "456789");
  EXPECT_EQ(*(*source)->ReadAt(10, bytes, CancelToken()), 0u);
  EXPECT_EQ((*source)->read_bytes(), 6);
  source->reset();
  EXPECT_TRUE(watch.expired());
}

TEST(SourceOpenerTest, ContentThatIsEmptyOrTooLargeIsRefused) {
  auto request = std::make_shared<v1::AnalyzeRequest>();
  request->set_content("");
  EXPECT_EQ(GetReason(MakeOpener()->Open(request, CancelToken()).status()), "SOURCE_EMPTY");
  request->set_content("12345");
  EXPECT_TRUE(MakeOpener(5)->Open(request, CancelToken()).ok());
  const absl::Status status = MakeOpener(4)->Open(request, CancelToken()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(status), "SOURCE_TOO_LARGE");
}

TEST(SourceOpenerTest, RequestWithoutSourceIsRefused) {
  const absl::Status status = MakeOpener()->Open(std::make_shared<v1::AnalyzeRequest>(), CancelToken()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetMetadata(status, "field"), "source");
}

TEST(SourceOpenerTest, CancelledRequestOpensNothing) {
  CancelToken cancel;
  cancel.Cancel();
  EXPECT_EQ(MakeOpener()->OpenUri("/etc/hostname", cancel).status().code(), absl::StatusCode::kCancelled);
}

TEST(SourceOpenerTest, SchemesThatReachElsewhereAreRefused) {
  for (const char* uri : {"ftp://host/x", "concat://a|b", "rtmp://host/x", "data://x", "file://host/etc/passwd",
                          "file:///%zz", "file://", "s3://B/key", "s3://bucket", "s3://bucket/"}) {
    const absl::Status status = MakeOpener()->OpenUri(uri, CancelToken()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << uri << " " << status;
    EXPECT_EQ(GetMetadata(status, "field"), "uri") << uri;
  }
}

TEST(SourceOpenerTest, ConfigurationIsChecked) {
  config::v1::SourceConfig config;
  config.add_file_roots("videos");
  const absl::Status status = SourceOpener::Create(config, {}, nullptr).status();
  EXPECT_EQ(GetMetadata(status, "field"), "sources.file_roots[0]");
  config.set_file_roots(0, "/videos");
  config.set_ca_file("/there/is/none.pem");
  EXPECT_EQ(GetMetadata(SourceOpener::Create(config, {}, nullptr).status(), "field"), "sources.ca_file");
}

}  // namespace
}  // namespace reelsight::orchestrator
