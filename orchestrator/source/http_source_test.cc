// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/http_source.h"

#include <chrono>
#include <future>
#include <random>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/http_test_server.h"
#include "shared/testing/wait.h"

namespace reelsight::orchestrator {
namespace {

using testing::HttpTestServer;
using Request = HttpTestServer::Request;
using Response = HttpTestServer::Response;
using Clock = std::chrono::steady_clock;

std::string MakeFile(size_t size) {
  std::mt19937 random(7);
  std::string file(size, 0);
  for (char& c : file) c = static_cast<char>(random());
  return file;
}

HttpSource::Options Fast() {
  HttpSource::Options options;
  options.transfer.allow_private_addresses = true;
  options.retry_backoff = absl::Milliseconds(1);
  return options;
}

absl::StatusOr<std::unique_ptr<HttpSource>> Open(const std::string& url, HttpSource::Options options = Fast(),
                                                 const CancelToken& cancel = CancelToken()) {
  return HttpSource::Open(url, "the clip", std::move(options), cancel);
}

// Reads up to `size` bytes.
absl::StatusOr<std::string> Read(ByteSource& source, int64_t offset, size_t size) {
  std::string bytes(size, 0);
  size_t done = 0;
  while (done < size) {
    ASSIGN_OR_RETURN(const size_t count,
                     source.ReadAt(offset + static_cast<int64_t>(done),
                                   {reinterpret_cast<uint8_t*>(bytes.data()) + done, size - done}, CancelToken()));
    if (count == 0) break;
    done += count;
  }
  bytes.resize(done);
  return bytes;
}

TEST(HttpSourceTest, ReadsInOrderWithOneRequest) {
  const std::string file = MakeFile(9'000'001);
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, file); });
  auto source = Open(server.Url("/clip.mp4"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->size_bytes(), 9'000'001);
  EXPECT_TRUE(*Read(**source, 0, file.size() + 10) == file);
  EXPECT_EQ(server.request_count(), 1);
  EXPECT_EQ((*source)->read_bytes(), 9'000'001);
}

TEST(HttpSourceTest, SeeksByRangesAndFetchesLittleElse) {
  const std::string file = MakeFile(40 << 20);
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, file); });
  auto source = Open(server.Url("/clip.mp4"));
  ASSERT_TRUE(source.ok()) << source.status();
  // As with an index at the file's end.
  EXPECT_TRUE(*Read(**source, 0, 1000) == file.substr(0, 1000));
  EXPECT_TRUE(*Read(**source, (40 << 20) - 5000, 9000) == file.substr((40 << 20) - 5000));
  EXPECT_TRUE(*Read(**source, 1000, 1000) == file.substr(1000, 1000));
  EXPECT_LE(server.request_count(), 3);
  EXPECT_LT((*source)->read_bytes(), 10 << 20);
}

TEST(HttpSourceTest, MemoryIsBoundedAndAReaderThatStopsStopsTheFetch) {
  const std::string file = MakeFile(40 << 20);
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, file); });
  HttpSource::Options options = Fast();
  options.cache_bytes = 4 << 20;
  auto source = Open(server.Url("/clip.mp4"), options);
  ASSERT_TRUE(source.ok()) << source.status();
  testing::GiveFaultsTime(std::chrono::milliseconds(100));
  EXPECT_LE((*source)->read_bytes(), 2 << 20);
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    const int64_t offset = static_cast<int64_t>(random() % file.size());
    const size_t count = random() % 400'000;
    ASSERT_TRUE(*Read(**source, offset, count) == file.substr(static_cast<size_t>(offset), count)) << i;
    ASSERT_LE((*source)->CachedBytesForTest(), (4 << 20) + (256 << 10));
  }
  EXPECT_TRUE(*Read(**source, 0, file.size()) == file);
}

TEST(HttpSourceTest, ServerWithoutRangesIsReadOnce) {
  const std::string file = MakeFile(3'000'000);
  for (const bool tell_length : {true, false}) {
    HttpTestServer server([&](const Request&) {
      Response response;
      response.body = file;
      response.tell_length = tell_length;
      return response;
    });
    auto source = Open(server.Url("/clip.mp4"));
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_EQ((*source)->size_bytes(), tell_length ? 3'000'000 : (*source)->size_bytes());
    EXPECT_TRUE(*Read(**source, 2'999'000, 5000) == file.substr(2'999'000));
    EXPECT_EQ((*source)->size_bytes(), 3'000'000);
    EXPECT_TRUE(*Read(**source, 0, 4'000'000) == file);
    EXPECT_EQ(server.request_count(), 1);
    EXPECT_EQ((*source)->CachedBytesForTest(), 0);
  }
}

TEST(HttpSourceTest, BrokenTransfersGoOnWhereTheyBroke) {
  const std::string file = MakeFile(2'000'000);
  for (const bool ranges : {true, false}) {
    HttpTestServer server([&](const Request& request) {
      Request seen = request;
      // Without ranges each answer begins at the start, and gets a little further.
      if (!ranges) seen.range_start = -1;
      static int count = 0;
      Response response = HttpTestServer::Serve(seen, file);
      response.break_after_bytes = ranges ? 300'000 : 300'000 * (1 + count++ % 8);
      return response;
    });
    auto source = Open(server.Url("/clip.mp4"));
    ASSERT_TRUE(source.ok()) << source.status();
    const auto all = Read(**source, 0, file.size());
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_TRUE(*all == file);
    EXPECT_GE(server.request_count(), 7);
  }
}

TEST(HttpSourceTest, TransferThatBreaksBeforeTheFirstBlockGoesOn) {
  const std::string file = MakeFile(100'000);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, file);
    response.break_after_bytes = 100;
    return response;
  });
  auto source = Open(server.Url("/clip.mp4"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE(*Read(**source, 0, 1000) == file.substr(0, 1000));
}

TEST(HttpSourceTest, ServerMayLimitTheLengthOfARange) {
  const std::string file = MakeFile(1'000'000);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, file);
    response.body.resize(std::min<size_t>(response.body.size(), 300));
    return response;
  });
  auto source = Open(server.Url("/clip.mp4"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE(*Read(**source, 0, 20'000) == file.substr(0, 20'000));
}

TEST(HttpSourceTest, FileThatChangesMeanwhileIsAnError) {
  const std::string file = MakeFile(40 << 20);
  std::atomic<int> change = 0;
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, file);
    if (change == 1) response.headers[1] = "ETag: \"two\"";
    if (change == 2) response.status = 412;
    return response;
  });
  for (const int how : {1, 2}) {
    change = 0;
    auto source = Open(server.Url("/clip.mp4"));
    ASSERT_TRUE(source.ok()) << source.status();
    change = how;
    const absl::Status status = Read(**source, 30 << 20, 10).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(status.message().find("changed"), absl::string_view::npos) << status;
  }
  EXPECT_EQ(server.requests()[1].headers.at("if-match"), "\"one\"");
}

TEST(HttpSourceTest, RedirectsAreFollowedAndBounded) {
  const std::string file = MakeFile(40 << 20);
  std::atomic<bool> expired = false;
  HttpTestServer server([&](const Request& request) {
    if (request.target == "/signed?1" && expired) return Response{.status = 403};
    if (request.target.rfind("/signed", 0) == 0) return HttpTestServer::Serve(request, file);
    if (request.target == "/loop") return Response{.status = 302, .headers = {"Location: /loop"}};
    if (request.target == "/file") return Response{.status = 302, .headers = {"Location: file:///etc/passwd"}};
    return Response{.status = 307, .headers = {std::string("Location: signed?") + (expired ? "2" : "1")}};
  });
  auto source = Open(server.Url("/clip"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(server.request_count(), 2);
  // A target that has expired is asked for again.
  expired = true;
  EXPECT_TRUE(*Read(**source, 30 << 20, 100) == file.substr(30 << 20, 100));

  const int before = server.request_count();
  const absl::Status loop = Open(server.Url("/loop")).status();
  EXPECT_EQ(loop.code(), absl::StatusCode::kInvalidArgument) << loop;
  EXPECT_EQ(server.request_count() - before, 6);
  EXPECT_EQ(Open(server.Url("/file")).status().code(), absl::StatusCode::kPermissionDenied);
  HttpSource::Options none = Fast();
  none.max_redirects = 0;
  EXPECT_EQ(Open(server.Url("/clip"), none).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(HttpSourceTest, AddressesThatAreNotPublicAreRefusedHoweverTheyAreNamed) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, "x"); });
  HttpSource::Options options = Fast();
  options.transfer.allow_private_addresses = false;
  for (const char* host : {"127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::1]",
                           "[::ffff:127.0.0.1]", "user:secret@127.0.0.1"}) {
    const absl::Status status = Open(server.Url("/clip?token=secret", host), options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << host << " " << status;
    EXPECT_EQ(GetReason(status), "SOURCE_FORBIDDEN") << host;
    EXPECT_EQ(status.message().find("secret"), absl::string_view::npos) << status;
  }
  EXPECT_EQ(server.request_count(), 0);
}

TEST(HttpSourceTest, ProxiesOfTheEnvironmentAreNotUsed) {
  HttpTestServer proxy([&](const Request& request) { return HttpTestServer::Serve(request, "x"); });
  setenv("http_proxy", proxy.Url("").c_str(), 1);
  HttpSource::Options options = Fast();
  options.transfer.allow_private_addresses = false;
  const absl::Status status = Open("http://127.0.0.1:9/clip", options).status();
  unsetenv("http_proxy");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_EQ(proxy.request_count(), 0);
}

TEST(HttpSourceTest, WebPagesAreToldFromVideos) {
  const std::string page = "<!DOCTYPE html><html><body>" + std::string(2000, 'x') + "</body></html>";
  for (const char* type : {"text/html; charset=utf-8", "video/mp4"}) {
    HttpTestServer server([&](const Request& request) {
      Response response = HttpTestServer::Serve(request, page);
      response.headers[0] = std::string("Content-Type: ") + type;
      return response;
    });
    const absl::Status status = Open(server.Url("/watch?v=1")).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetReason(status), "SOURCE_IS_WEB_PAGE");
  }
}

TEST(HttpSourceTest, TypeOfAWebPageAloneMakesNoPage) {
  const std::string file = MakeFile(100'000);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, request.target == "/text" ? "Sign in to see this clip." : file);
    response.headers[0] = "Content-Type: text/html";
    if (request.target == "/packed") response.headers.push_back("Content-Encoding: gzip");
    return response;
  });
  auto source = Open(server.Url("/clip.mp4"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE(*Read(**source, 0, file.size()) == file);
  EXPECT_EQ(GetReason(Open(server.Url("/text")).status()), "SOURCE_IS_WEB_PAGE");
  EXPECT_EQ(GetReason(Open(server.Url("/packed")).status()), "SOURCE_IS_WEB_PAGE");
}

TEST(HttpSourceTest, ServerThatPromisesMoreThanItHasIsGivenUp) {
  // Without ranges each try begins at the start: the same bytes again are no progress.
  const std::string file = MakeFile(500'000);
  HttpTestServer server([&](const Request&) {
    Response response;
    response.body = file;
    response.break_after_bytes = 400'000;
    return response;
  });
  auto source = Open(server.Url("/clip.mp4"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE(*Read(**source, 0, 300'000) == file.substr(0, 300'000));
  const absl::Status status = Read(**source, 0, file.size()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  // A connection that breaks may take its last bytes with it, so that the odd try does bring some.
  EXPECT_LE(server.request_count(), 4 * (1 + Fast().max_retries));
}

TEST(HttpSourceTest, StatusesBecomeErrors) {
  std::atomic<int> code = 0;
  HttpTestServer server([&](const Request&) { return Response{.status = code, .body = "<html>sorry</html>"}; });
  const std::vector<std::tuple<int, absl::StatusCode, std::string, int>> cases = {
      {404, absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", 1},
      {410, absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", 1},
      {401, absl::StatusCode::kPermissionDenied, "SOURCE_FORBIDDEN", 1},
      {403, absl::StatusCode::kPermissionDenied, "SOURCE_FORBIDDEN", 1},
      {400, absl::StatusCode::kInvalidArgument, "SOURCE_UNREACHABLE", 1},
      {302, absl::StatusCode::kInvalidArgument, "SOURCE_UNREACHABLE", 1},
      {500, absl::StatusCode::kUnavailable, "SOURCE_UNREACHABLE", 5},
      {503, absl::StatusCode::kUnavailable, "SOURCE_UNREACHABLE", 5},
      {429, absl::StatusCode::kUnavailable, "SOURCE_UNREACHABLE", 5},
      {501, absl::StatusCode::kUnavailable, "SOURCE_UNREACHABLE", 1}};
  for (const auto& [status, expected, reason, requests] : cases) {
    code = status;
    const int before = server.request_count();
    const absl::Status error = Open(server.Url("/clip")).status();
    EXPECT_EQ(error.code(), expected) << status << " " << error;
    EXPECT_EQ(GetReason(error), reason) << status;
    EXPECT_EQ(server.request_count() - before, requests) << status;
    EXPECT_NE(error.message().find("the clip"), absl::string_view::npos) << error;
  }
}

TEST(HttpSourceTest, ServerThatRecoversIsTriedAgain) {
  std::atomic<int> count = 0;
  HttpTestServer server([&](const Request& request) {
    return ++count < 4 ? Response{.status = 503} : HttpTestServer::Serve(request, "0123456789");
  });
  auto source = Open(server.Url("/clip"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(*Read(**source, 3, 100), "3456789");
}

TEST(HttpSourceTest, EmptyAndTooLargeFilesAreRefused) {
  const std::string file = MakeFile(1'000'000);
  for (const bool ranges : {true, false}) {
    for (const bool tell_length : {true, false}) {
      HttpTestServer server([&](const Request& request) {
        Request seen = request;
        if (!ranges) seen.range_start = -1;
        Response response = HttpTestServer::Serve(seen, request.target == "/empty" ? "" : file);
        response.tell_length = tell_length;
        return response;
      });
      EXPECT_EQ(GetReason(Open(server.Url("/empty")).status()), "SOURCE_EMPTY") << ranges << tell_length;
      HttpSource::Options options = Fast();
      options.max_bytes = 999'999;
      auto source = Open(server.Url("/clip"), options);
      const absl::Status status = source.ok() ? Read(**source, 0, file.size()).status() : source.status();
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
      EXPECT_EQ(GetReason(status), "SOURCE_TOO_LARGE");
      EXPECT_TRUE(!tell_length || !source.ok());
      options.max_bytes = 1'000'000;
      EXPECT_TRUE(*Read(**Open(server.Url("/clip"), options), 0, file.size()) == file);
    }
  }
}

TEST(HttpSourceTest, CancelEndsAWaitAtOnce) {
  const std::string file = MakeFile(1'000'000);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, file);
    response.piece_bytes = request.target == "/stuck" ? 10 : 1000;
    response.piece_delay = std::chrono::milliseconds(50);
    return response;
  });
  for (const char* target : {"/stuck", "/slow"}) {
    CancelToken cancel;
    auto result = std::async(std::launch::async, [&]() -> absl::Status {
      auto source = Open(server.Url(target), Fast(), cancel);
      if (!source.ok()) return source.status();
      uint8_t byte[1];
      return (*source)->ReadAt(900'000, byte, cancel).status();
    });
    EXPECT_EQ(result.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
    const Clock::time_point start = Clock::now();
    cancel.Cancel();
    EXPECT_EQ(result.get().code(), absl::StatusCode::kCancelled);
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(1));
  }
}

TEST(HttpSourceTest, DeadlineAndFetchTimeoutEndASlowTransfer) {
  const std::string file = MakeFile(1'000'000);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, file);
    response.piece_bytes = 10;
    response.piece_delay = std::chrono::milliseconds(20);
    return response;
  });
  CancelToken cancel;
  cancel.SetDeadline(Clock::now() + std::chrono::milliseconds(100));
  const absl::Status deadline = Open(server.Url("/clip"), Fast(), cancel).status();
  EXPECT_EQ(deadline.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetReason(deadline), "DEADLINE_EXCEEDED");
  HttpSource::Options options = Fast();
  options.fetch_timeout = absl::Milliseconds(100);
  const absl::Status timeout = Open(server.Url("/clip"), options).status();
  EXPECT_EQ(timeout.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetReason(timeout), "SOURCE_UNREACHABLE");
}

TEST(HttpSourceTest, StalledTransferIsBrokenOff) {
  const std::string file = MakeFile(1'000'000);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, file);
    response.piece_bytes = 1;
    response.piece_delay = std::chrono::milliseconds(100);
    return response;
  });
  HttpSource::Options options = Fast();
  options.transfer.stall_timeout = absl::Seconds(1);
  options.max_retries = 0;
  const absl::Status status = Open(server.Url("/clip"), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(HttpSourceTest, AServerThatDripsIsTooSlowThoughItNeverStops) {
  const std::string file = MakeFile(1'000'000);
  for (const bool ranges : {true, false}) {
    HttpTestServer server([&](const Request& request) {
      Response response = HttpTestServer::Serve(request, file);
      if (!ranges) response = {.body = file};
      response.piece_bytes = 10;
      response.piece_delay = std::chrono::milliseconds(1);
      return response;
    });
    HttpSource::Options options = Fast();
    options.transfer.stall_timeout = absl::Seconds(60);
    options.fetch_timeout = absl::Hours(1);
    options.sender = {.min_bytes_per_second = int64_t{1} << 30, .window = absl::Milliseconds(100)};
    // It may open, if its first bytes are there in time; but it is never read whole.
    const auto source = Open(server.Url("/clip"), options);
    const absl::Status status = source.ok() ? Read(**source, 0, file.size()).status() : source.status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_EQ(GetReason(status), "SOURCE_TOO_SLOW");
    EXPECT_NE(status.message().find("1073741824 bytes a second"), std::string::npos) << status;
  }
}

TEST(HttpSourceTest, HostsThatAreNotThereAndBadUrlsAreErrors) {
  int port = 0;
  {
    HttpTestServer gone([](const Request&) { return Response{}; });
    port = std::stoi(gone.Url("").substr(17));
  }
  const absl::Status refused = Open("http://127.0.0.1:" + std::to_string(port) + "/clip").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_EQ(GetReason(refused), "SOURCE_UNREACHABLE");
  const absl::Status unknown = Open("http://nowhere.invalid/clip").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound) << unknown;
  for (const char* url : {"http://", "http://host:port/", "http://ho st/"}) {
    const absl::Status status = Open(url).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << url << " " << status;
  }
}

}  // namespace
}  // namespace reelsight::orchestrator
