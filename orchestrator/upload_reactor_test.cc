// SPDX-License-Identifier: Apache-2.0
//
// UploadVideo calls that send too little, over a real connection.
#include "orchestrator/upload_reactor.h"

#include <memory>
#include <string>
#include <thread>

#include "google/protobuf/descriptor.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "reelsight/v1/video_analysis_service.grpc.pb.h"
#include "shared/base/status.h"
#include "shared/rpc/status.h"

namespace reelsight::orchestrator {
namespace {

class UploadService final : public v1::VideoAnalysisService::Service {
 public:
  UploadService(UploadStore& store, rpc::CallGate& gate) : store_(store), gate_(gate) {
    const int place = v1::UploadVideoRequest::descriptor()
                          ->file()
                          ->FindServiceByName("VideoAnalysisService")
                          ->FindMethodByName("UploadVideo")
                          ->index();
    MarkMethodCallback(place,
                       new grpc::internal::CallbackClientStreamingHandler<rpc::ParsedMessage<v1::UploadVideoRequest>,
                                                                          v1::UploadVideoResponse>(
                           [this](grpc::CallbackServerContext* context, v1::UploadVideoResponse* response) {
                             auto* reactor = new UploadReactor({gate_, nullptr}, *context, store_, disk_, response);
                             reactor->Start();
                             return reactor;
                           }));
  }

 private:
  UploadStore& store_;
  rpc::CallGate& gate_;
  concurrency::FairExecutor disk_{{.thread_count = 1}};
};

class UploadReactorTest : public testing::Test {
 protected:
  void Start(const RateFloor::Options& sender) {
    auto store = UploadStore::Create({.sender = sender});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    service_ = std::make_unique<UploadService>(*store_, gate_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::VideoAnalysisService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown();
    // Every call has left the door, however it ended.
    EXPECT_TRUE(gate_.WaitEmpty(std::chrono::steady_clock::now() + std::chrono::seconds(30)));
  }

  static v1::UploadVideoRequest Open() {
    v1::UploadVideoRequest request;
    request.mutable_open();
    return request;
  }
  static v1::UploadVideoRequest Chunk(const std::string& data, bool last = false) {
    v1::UploadVideoRequest request;
    request.mutable_chunk()->set_data(data);
    request.mutable_chunk()->set_last(last);
    return request;
  }

  rpc::CallGate gate_{1000};
  std::unique_ptr<UploadStore> store_;
  std::unique_ptr<UploadService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::VideoAnalysisService::Stub> stub_;
};

TEST_F(UploadReactorTest, ACallThatSendsNothingEnds) {
  Start({.min_bytes_per_second = 1, .window = absl::Milliseconds(50)});
  for (const bool opened : {false, true}) {
    grpc::ClientContext context;
    v1::UploadVideoResponse response;
    const auto call = stub_->UploadVideo(&context, &response);
    if (opened) {
      ASSERT_TRUE(call->Write(Open()));
    }
    const grpc::Status status = call->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
    const absl::Status mine = rpc::FromGrpcStatus(status);
    EXPECT_EQ(GetReason(mine), "UPLOAD_TOO_SLOW");
    EXPECT_EQ(GetMetadata(mine, "committed_bytes"), opened ? "0" : "");
  }
}

TEST_F(UploadReactorTest, ACallThatDripsEndsAndCanBeResumed) {
  Start({.min_bytes_per_second = int64_t{1} << 30, .window = absl::Milliseconds(50)});
  grpc::ClientContext context;
  v1::UploadVideoResponse response;
  const auto call = stub_->UploadVideo(&context, &response);
  ASSERT_TRUE(call->Write(Open()));
  // Each byte comes within the window; all of them are far below the rate.
  while (call->Write(Chunk("x"))) std::this_thread::yield();
  const absl::Status status = rpc::FromGrpcStatus(call->Finish());
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(GetReason(status), "UPLOAD_TOO_SLOW");
  const std::string id = GetMetadata(status, "upload_id");
  const auto state = store_->Query(id);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(std::to_string(state->committed_bytes), GetMetadata(status, "committed_bytes"));
  // It has no writer any more.
  EXPECT_TRUE(store_->Open({.upload_id = id, .offset = state->committed_bytes}).ok());
}

TEST_F(UploadReactorTest, AlarmsAndMessagesAtTheSameMomentEndTheCallOnce) {
  // Windows as short as the way of a message.
  Start({.min_bytes_per_second = 1, .window = absl::Microseconds(200)});
  for (int i = 0; i < 300; ++i) {
    grpc::ClientContext context;
    v1::UploadVideoResponse response;
    const auto call = stub_->UploadVideo(&context, &response);
    bool more = call->Write(Open());
    for (int k = 0; k < 5 && more; ++k) more = call->Write(Chunk("x"));
    if (i % 3 == 0) context.TryCancel();
    if (more && i % 3 == 1) call->WritesDone();
    const grpc::StatusCode code = call->Finish().error_code();
    EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::DEADLINE_EXCEEDED ||
                code == grpc::StatusCode::CANCELLED)
        << code;
  }
}

TEST_F(UploadReactorTest, ACallThatKeepsTheRateIsLeftAlone) {
  Start({.min_bytes_per_second = 1, .window = absl::Seconds(60)});
  grpc::ClientContext context;
  v1::UploadVideoResponse response;
  const auto call = stub_->UploadVideo(&context, &response);
  ASSERT_TRUE(call->Write(Open()));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(call->Write(Chunk("0123456789", i == 9)));
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_TRUE(response.complete());
  EXPECT_EQ(response.committed_bytes(), 100);
}

}  // namespace
}  // namespace reelsight::orchestrator
