// SPDX-License-Identifier: Apache-2.0
//
// Streams of a real server on a free port, with an orchestrator that does what the test says.
#include "orchestrator/analyze_stream_reactor.h"

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "orchestrator/video_analysis_service.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"
#include "shared/rpc/server.h"
#include "shared/rpc/server_config.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;

// More than the transport takes before the client reads.
constexpr size_t kLargeBytes = 32 << 20;

// Hands the caller of its one run to the test.
class ScriptedOrchestrator final : public Orchestrator {
 public:
  struct Caller {
    RunObserver* observer = nullptr;
    CancelToken cancel;
    DoneCallback done;
  };
  void StartRun(std::shared_ptr<const v1::AnalyzeRequest>, RunObserver* observer, const CancelToken& cancel,
                DoneCallback done) override {
    started_.set_value({observer, cancel, std::move(done)});
  }
  Caller WaitForCaller() { return started_.get_future().get(); }

  v1::ListAnalyzersResponse ListAnalyzers() override { return {}; }
  void WhenKnown(std::function<void()> done) override { done(); }
  absl::Status Health() override { return absl::OkStatus(); }
  UploadStore& uploads() override { std::abort(); }
  void BeginDrain() override {}
  int active_runs() const override { return 0; }

 private:
  std::promise<Caller> started_;
};

v1::AnalyzerResult Result(const std::string& analyzer, size_t bytes = 0) {
  v1::AnalyzerResult result;
  result.set_analyzer(analyzer);
  result.mutable_status()->set_message(std::string(bytes, 'x'));
  return result;
}

v1::AnalyzeStreamResponse::Progress Progress(int64_t frames) {
  v1::AnalyzeStreamResponse::Progress progress;
  progress.set_frames_decoded(frames);
  return progress;
}

class AnalyzeStreamReactorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config::v1::ServerConfig config;
    rpc::ApplyDefaults("127.0.0.1:0", "", &config);
    auto server = rpc::Server::Start(config, gate_, {{&service_, v1::VideoAnalysisService::service_full_name(), {}}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::VideoAnalysisService::NewStub(
        grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments));
    reader_ = stub_->AnalyzeStream(&context_, v1::AnalyzeRequest());
    caller_ = orchestrator_.WaitForCaller();
  }

  // What comes until the end: `v` the video, `p<frames>` progress, the name of a result's analyzer, `r` the response.
  std::vector<std::string> ReadAll() {
    std::vector<std::string> seen;
    v1::AnalyzeStreamResponse message;
    while (reader_->Read(&message)) {
      if (message.has_video()) seen.push_back("v");
      if (message.has_progress()) seen.push_back(absl::StrCat("p", message.progress().frames_decoded()));
      if (message.has_partial_result()) seen.push_back(message.partial_result().analyzer());
      if (message.has_response()) seen.push_back("r");
    }
    status_ = reader_->Finish();
    return seen;
  }

  // Blocks until the reactor is gone. The end of the client's call says that it soon will be; the server's end waits
  // for it.
  void WaitUntilReactorIsGone() { server_.reset(); }

  rpc::CallGate gate_{16};
  ScriptedOrchestrator orchestrator_;
  concurrency::FairExecutor disk_{{}};
  VideoAnalysisServiceImpl service_{orchestrator_, {gate_}, disk_};
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<v1::VideoAnalysisService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::AnalyzeStreamResponse>> reader_;
  ScriptedOrchestrator::Caller caller_;
  grpc::Status status_;
};

TEST_F(AnalyzeStreamReactorTest, SendsWhatHappensInOrder) {
  caller_.observer->OnVideo({});
  caller_.observer->OnResult(Result("a"));
  caller_.observer->OnResult(Result("b"));
  caller_.done(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_THAT(ReadAll(), ElementsAre("v", "a", "b", "r"));
  EXPECT_TRUE(status_.ok()) << status_.error_message();
}

TEST_F(AnalyzeStreamReactorTest, ASlowReaderLosesProgressAndNothingElse) {
  caller_.observer->OnResult(Result("large", kLargeBytes));
  // The client reads nothing, so all of this waits behind the large one.
  int64_t frames = 0;
  for (const char* analyzer : {"a", "b", "c"}) {
    for (int i = 0; i < 100; ++i) caller_.observer->OnProgress(Progress(++frames));
    caller_.observer->OnResult(Result(analyzer));
  }
  caller_.observer->OnProgress(Progress(++frames));
  caller_.done(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_THAT(ReadAll(), ElementsAre("large", "a", "b", "c", "p301", "r"));
  EXPECT_TRUE(status_.ok()) << status_.error_message();
}

TEST_F(AnalyzeStreamReactorTest, AFailureComesAfterTheResultsThatWait) {
  caller_.observer->OnResult(Result("large", kLargeBytes));
  caller_.observer->OnResult(Result("a"));
  caller_.done(MakeError(absl::StatusCode::kDataLoss, Reason::kDecodeFailed, "half of it"));
  EXPECT_THAT(ReadAll(), ElementsAre("large", "a"));
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(AnalyzeStreamReactorTest, ACallerWhoGoesCancelsTheRunWhateverWaits) {
  caller_.observer->OnResult(Result("large", kLargeBytes));
  caller_.observer->OnResult(Result("a"));
  std::promise<void> cancelled;
  const CancelToken::Callback on_cancel(caller_.cancel, [&] { cancelled.set_value(); });
  context_.TryCancel();
  cancelled.get_future().wait();
  caller_.done(caller_.cancel.status());
  EXPECT_THAT(ReadAll(), ::testing::Each("large"));
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::CANCELLED);
}

// The thread that brings the end is held after it has unlocked, while the last write is done, the call is finished and
// the reactor deleted.
TEST_F(AnalyzeStreamReactorTest, WhoBringsTheEndDoesNotTouchAReactorThatIsGone) {
  caller_.observer->OnResult(Result("large", kLargeBytes));
  const PauseForTest pause("AnalyzeStreamReactor::Advance", [&] {
    EXPECT_THAT(ReadAll(), ElementsAre("large", "r"));
    WaitUntilReactorIsGone();
  });
  caller_.done(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_TRUE(pause.reached());
}

TEST_F(AnalyzeStreamReactorTest, NorWhoBringsAFailure) {
  caller_.observer->OnResult(Result("large", kLargeBytes));
  const PauseForTest pause("AnalyzeStreamReactor::Advance", [&] {
    EXPECT_THAT(ReadAll(), ElementsAre("large"));
    WaitUntilReactorIsGone();
  });
  caller_.done(absl::InternalError("broken"));
  EXPECT_TRUE(pause.reached());
}

// Where nothing is being written, the end finishes the call itself.
TEST_F(AnalyzeStreamReactorTest, NorWhoFinishesTheCallItself) {
  const PauseForTest pause("AnalyzeStreamReactor::Advance", [&] {
    EXPECT_THAT(ReadAll(), ElementsAre());
    WaitUntilReactorIsGone();
  });
  caller_.done(absl::InternalError("broken"));
  EXPECT_TRUE(pause.reached());
}

}  // namespace
}  // namespace reelsight::orchestrator
