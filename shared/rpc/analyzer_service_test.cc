// SPDX-License-Identifier: Apache-2.0
//
// A real server on a free port with a fake analyzer behind it, and the client of the orchestrator in front.
#include "shared/rpc/analyzer_service.h"

#include <atomic>
#include <future>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "shared/base/test_pause.h"
#include "shared/rpc/batch_encoding.h"
#include "shared/rpc/grpc_analyzer_client.h"
#include "shared/rpc/server.h"
#include "shared/rpc/server_config.h"
#include "shared/rpc/status.h"
#include "shared/testing/fake_analyzer.h"
#include "shared/testing/wait.h"

namespace reelsight::rpc {
namespace {

using testing::FakeAnalyzer;
using ::testing::HasSubstr;

constexpr int kMaxReceiveBytes = 1 << 20;

std::shared_ptr<const analysis::Image> Picture(uint8_t level, int side_px = 32) {
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kGray8, analysis::ImageSize{side_px, side_px});
  std::fill_n(image->mutable_plane(0), side_px * side_px, level);
  return image;
}

std::shared_ptr<analysis::Batch> MakeBatch(int frames, int side_px = 32) {
  auto batch = std::make_shared<analysis::Batch>();
  batch->request_id = "run";
  std::vector<int64_t> indexes(frames);
  std::iota(indexes.begin(), indexes.end(), 0);
  for (const int64_t index : indexes) {
    batch->frames.push_back({index, index * absl::Milliseconds(40), Picture(static_cast<uint8_t>(index), side_px)});
  }
  batch->work.push_back({.analyzer = "fake", .options = {}, .target_indexes = indexes, .context_indexes = {}});
  return batch;
}

class AnalyzerServiceTest : public ::testing::Test {
 protected:
  void Start(int threads = 2, int max_queued = 8) {
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
    analyzers.push_back(std::move(analyzer_));
    host_ = *analysis::AnalyzerHost::Create("test", "1.2.3", std::move(analyzers), 1);
    concurrency::FairExecutor::Options options;
    options.thread_count = threads;
    options.max_queued = max_queued;
    executor_ = std::make_unique<concurrency::FairExecutor>(options);
    service_ = std::make_unique<AnalyzerServiceImpl>(*host_, *executor_, CallEnvironment{gate_});
    config::v1::ServerConfig config;
    config.set_max_receive_bytes(kMaxReceiveBytes);
    config.set_drain_seconds(20);
    ApplyDefaults("127.0.0.1:0", "", &config);
    auto server = Server::Start(config, gate_,
                                {{service_.get(), analyzer::v1::AnalyzerService::service_full_name(),
                                  [this] { return healthy_ ? absl::OkStatus() : absl::UnavailableError("not now"); }}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    GrpcAnalyzerClient::Options client;
    client.name = "test";
    client.target = server_->address();
    client_ = *GrpcAnalyzerClient::Create(client);
  }

  void TearDown() override {
    client_.reset();
    server_.reset();
    executor_.reset();
  }

  absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> Analyze(std::shared_ptr<const analysis::Batch> batch,
                                                              const CancelToken& cancel = CancelToken()) {
    std::promise<absl::StatusOr<analyzer::v1::AnalyzeFramesResponse>> answer;
    client_->AnalyzeFrames(std::move(batch), cancel, [&](auto response) { answer.set_value(std::move(response)); });
    return answer.get_future().get();
  }

  std::atomic<bool> healthy_ = true;
  CallGate gate_{16};
  std::unique_ptr<FakeAnalyzer> analyzer_ = std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description("fake", 0, 4));
  std::unique_ptr<analysis::AnalyzerHost> host_;
  std::unique_ptr<concurrency::FairExecutor> executor_;
  std::unique_ptr<AnalyzerServiceImpl> service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<GrpcAnalyzerClient> client_;
};

TEST_F(AnalyzerServiceTest, AnswersOverTheWire) {
  Start();
  std::promise<absl::StatusOr<analyzer::v1::DescribeResponse>> described;
  client_->Describe(CancelToken(), [&](auto response) { described.set_value(std::move(response)); });
  const auto description = described.get_future().get();
  ASSERT_TRUE(description.ok()) << description.status();
  ASSERT_EQ(description->analyzers_size(), 1);
  EXPECT_EQ(description->analyzers(0).name(), "fake");

  const auto frames = Analyze(MakeBatch(3));
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->results(0).results_size(), 3);
  EXPECT_EQ(frames->results(0).results(2).payload(), "2");

  auto request = std::make_shared<analyzer::v1::SummarizeRequest>();
  request->set_analyzer("fake");
  *request->mutable_results() = frames->results(0).results();
  std::promise<absl::StatusOr<analyzer::v1::SummarizeResponse>> summary;
  client_->Summarize(request, CancelToken(), [&](auto response) { summary.set_value(std::move(response)); });
  const auto summarized = summary.get_future().get();
  ASSERT_TRUE(summarized.ok()) << summarized.status();
  EXPECT_THAT(summarized->ShortDebugString(), HasSubstr("0,1,2"));
}

TEST_F(AnalyzerServiceTest, PixelsArriveAsTheyWere) {
  analyzer_->OnFrames([](const analysis::BatchView& view, const CancelToken&) {
    std::vector<std::string> payloads;
    for (const auto& item : view.items) {
      const auto bytes = item.frame->image->bytes();
      payloads.emplace_back(bytes.begin(), bytes.end());
    }
    return payloads;
  });
  Start();
  const auto batch = MakeBatch(2, 5);
  const auto frames = Analyze(batch);
  ASSERT_TRUE(frames.ok()) << frames.status();
  for (int i = 0; i < 2; ++i) {
    const auto sent = batch->frames[i].image->bytes();
    EXPECT_EQ(frames->results(0).results(i).payload(), std::string(sent.begin(), sent.end()));
  }
}

TEST_F(AnalyzerServiceTest, AFullQueueSaysWhenToComeBack) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> working = 0;
  analyzer_->OnFrames([&](const analysis::BatchView& view, const CancelToken&) {
    ++working;
    released.wait();
    return std::vector<std::string>(view.items.size(), "x");
  });
  Start(/*threads=*/1, /*max_queued=*/1);
  std::promise<absl::Status> first, second;
  client_->AnalyzeFrames(MakeBatch(1), CancelToken(), [&](auto r) { first.set_value(r.status()); });
  while (working == 0) std::this_thread::yield();
  client_->AnalyzeFrames(MakeBatch(1), CancelToken(), [&](auto r) { second.set_value(r.status()); });
  while (executor_->queued() == 0) std::this_thread::yield();
  const absl::Status third = Analyze(MakeBatch(1)).status();
  EXPECT_EQ(third.code(), absl::StatusCode::kResourceExhausted) << third;
  EXPECT_EQ(GetReason(third), "QUEUE_FULL");
  EXPECT_GT(GetRetryDelay(third), absl::ZeroDuration());
  release.set_value();
  EXPECT_TRUE(first.get_future().get().ok());
  EXPECT_TRUE(second.get_future().get().ok());
}

TEST_F(AnalyzerServiceTest, CancellingReachesTheAnalyzer) {
  std::promise<void> began;
  std::promise<absl::StatusCode> ended;
  analyzer_->OnFrames(
      [&](const analysis::BatchView&, const CancelToken& cancel) -> absl::StatusOr<std::vector<std::string>> {
        began.set_value();
        EXPECT_TRUE(testing::WaitUntil([&] { return cancel.cancelled(); }));
        ended.set_value(cancel.status().code());
        return cancel.status();
      });
  Start();
  CancelToken cancel;
  std::promise<absl::Status> answer;
  client_->AnalyzeFrames(MakeBatch(1), cancel, [&](auto r) { answer.set_value(r.status()); });
  began.get_future().wait();
  cancel.Cancel(absl::CancelledError("gone"));
  EXPECT_EQ(answer.get_future().get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(ended.get_future().get(), absl::StatusCode::kCancelled);
}

TEST_F(AnalyzerServiceTest, BadBatchesAreRefusedWithTheirPlace) {
  Start();
  auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  auto stub = analyzer::v1::AnalyzerService::NewStub(channel);
  const auto call = [&](const analyzer::v1::AnalyzeFramesRequest& request) {
    grpc::ClientContext context;
    analyzer::v1::AnalyzeFramesResponse response;
    return FromGrpcStatus(stub->AnalyzeFrames(&context, request, &response));
  };
  analyzer::v1::AnalyzeFramesRequest good;
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(EncodeBatch(MakeBatch(2)).Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  ASSERT_TRUE(good.ParseFromString(bytes));
  EXPECT_TRUE(call(good).ok());

  analyzer::v1::AnalyzeFramesRequest short_frame = good;
  short_frame.mutable_frames(1)->mutable_data()->resize(7);
  const absl::Status status = call(short_frame);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(GetReason(status), "BAD_FRAME");
  EXPECT_THAT(std::string(status.message()), HasSubstr("frame 1:"));
}

TEST_F(AnalyzerServiceTest, MessagesOverTheLimitAreRefused) {
  Start();
  EXPECT_TRUE(Analyze(MakeBatch(1, 900)).ok());
  const absl::Status refused = Analyze(MakeBatch(2, 900)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  // Not to be confused with a full queue: trying again is in vain.
  EXPECT_EQ(GetReason(refused), "MESSAGE_TOO_LARGE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("raise server.max_receive_bytes of the service"));
}

TEST_F(AnalyzerServiceTest, AnswersOverTheLimitOfTheEndpointAreRefused) {
  analyzer_->OnFrames([&](const analysis::BatchView& view, const CancelToken&) {
    return std::vector<std::string>(view.items.size(), std::string(100'000, 'x'));
  });
  Start();
  config::v1::AnalyzerEndpoint endpoint;
  endpoint.set_name("test");
  endpoint.set_target(server_->address());
  endpoint.set_max_receive_bytes(1 << 16);
  client_ = *GrpcAnalyzerClient::Create(endpoint);
  const absl::Status refused = Analyze(MakeBatch(1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(refused), "MESSAGE_TOO_LARGE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("raise max_receive_bytes of this endpoint"));
  endpoint.set_max_receive_bytes(1 << 20);
  client_ = *GrpcAnalyzerClient::Create(endpoint);
  EXPECT_TRUE(Analyze(MakeBatch(1)).ok());
}

TEST_F(AnalyzerServiceTest, HealthFollowsTheService) {
  Start();
  EXPECT_TRUE(server_->serving());
  healthy_ = false;
  EXPECT_TRUE(testing::WaitUntil([&] { return !server_->serving(); }));
}

TEST_F(AnalyzerServiceTest, DrainIsNotReadyFirstAndFinishesWhatIsUnderWay) {
  std::promise<void> began, release;
  std::shared_future<void> released = release.get_future().share();
  analyzer_->OnFrames([&](const analysis::BatchView& view, const CancelToken&) {
    began.set_value();
    released.wait();
    return std::vector<std::string>(view.items.size(), "x");
  });
  Start();
  std::promise<absl::Status> answer;
  client_->AnalyzeFrames(MakeBatch(1), CancelToken(), [&](auto r) { answer.set_value(r.status()); });
  began.get_future().wait();
  bool serving = true;
  absl::Status drained;
  std::thread drainer([&] { drained = server_->Drain([&] { serving = server_->serving(); }); });
  while (!gate_.draining()) std::this_thread::yield();
  const absl::Status refused = Analyze(MakeBatch(1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  release.set_value();
  EXPECT_TRUE(answer.get_future().get().ok());
  drainer.join();
  EXPECT_TRUE(drained.ok()) << drained;
  EXPECT_FALSE(serving);
}

TEST_F(AnalyzerServiceTest, WhileAReplicaDrainsCallsGoToTheOther) {
  std::promise<void> began, release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<bool> first = true;
  analyzer_->OnFrames([&](const analysis::BatchView& view, const CancelToken&) {
    if (first.exchange(false)) {
      began.set_value();
      released.wait();
    }
    return std::vector<std::string>(view.items.size(), "x");
  });
  Start();
  CallGate other_gate(16);
  AnalyzerServiceImpl other_service(*host_, *executor_, CallEnvironment{other_gate});
  config::v1::ServerConfig config;
  ApplyDefaults("127.0.0.1:0", "", &config);
  auto other = *Server::Start(config, other_gate,
                              {{&other_service, analyzer::v1::AnalyzerService::service_full_name(), nullptr}});
  std::promise<absl::Status> under_way;
  client_->AnalyzeFrames(MakeBatch(1), CancelToken(), [&](auto r) { under_way.set_value(r.status()); });
  began.get_future().wait();
  GrpcAnalyzerClient::Options options;
  options.name = "replicas";
  options.target = absl::StrCat("ipv4:", server_->address(), ",", other->address());
  const auto direct = std::exchange(client_, *GrpcAnalyzerClient::Create(options));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Analyze(MakeBatch(1)).ok());
  std::thread drainer([&] { EXPECT_TRUE(server_->Drain().ok()); });
  while (!gate_.draining()) std::this_thread::yield();
  // Calls go to both in turn, until the client has heard that one goes away.
  int taken_in_a_row = 0;
  EXPECT_TRUE(testing::WaitUntil([&] {
    taken_in_a_row = Analyze(MakeBatch(1)).ok() ? taken_in_a_row + 1 : 0;
    return taken_in_a_row == 10;
  }));
  int refused = 0;
  for (int i = 0; i < 50; ++i) refused += Analyze(MakeBatch(1)).ok() ? 0 : 1;
  EXPECT_EQ(refused, 0);
  release.set_value();
  EXPECT_TRUE(under_way.get_future().get().ok());
  drainer.join();
  client_.reset();
}

TEST_F(AnalyzerServiceTest, APortInUseIsNamed) {
  Start();
  config::v1::ServerConfig config;
  ApplyDefaults(server_->address(), "", &config);
  CallGate gate(1);
  const absl::Status status = Server::Start(config, gate, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server_->address()));
}

TEST(GrpcAnalyzerClientTest, NobodyThereIsUnavailable) {
  GrpcAnalyzerClient::Options options;
  options.name = "nobody";
  options.target = "127.0.0.1:1";
  auto client = *GrpcAnalyzerClient::Create(options);
  std::promise<absl::Status> answer;
  client->AnalyzeFrames(MakeBatch(1), CancelToken(), [&](auto r) { answer.set_value(r.status()); });
  const absl::Status status = answer.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nobody"));
}

TEST_F(AnalyzerServiceTest, TheClientMayGoAsSoonAsItsLastCallHasEnded) {
  Start();
  std::promise<void> gone;
  const PauseForTest pause("GrpcAnalyzerClient::Call::End", [&] {
    client_.reset();
    gone.set_value();
  });
  client_->Describe(CancelToken(), [](const auto& response) { EXPECT_TRUE(response.ok()); });
  gone.get_future().wait();
}

}  // namespace
}  // namespace reelsight::rpc
