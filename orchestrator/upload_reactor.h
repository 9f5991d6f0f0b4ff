// SPDX-License-Identifier: Apache-2.0
//
// One UploadVideo call: feeds chunks to an UploadStore, one at a time, so that memory holds one chunk.
#pragma once

#include <memory>

#include "grpcpp/support/server_callback.h"
#include "orchestrator/source/upload_store.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/rpc/call.h"
#include "shared/rpc/parsed_message.h"

namespace reelsight::orchestrator {

// Deletes itself when gRPC is done with it. Borrows the rest.
class UploadReactor final : public grpc::ServerReadReactor<rpc::ParsedMessage<v1::UploadVideoRequest>> {
 public:
  UploadReactor(rpc::CallEnvironment environment, const grpc::CallbackServerContext& context, UploadStore& store,
                concurrency::FairExecutor& disk, v1::UploadVideoResponse* response)
      : scope_(environment, context, "UploadVideo"), store_(store), disk_(disk), response_(response) {}

  void Start();

 private:
  ~UploadReactor() override = default;

  void OnReadDone(bool ok) override;
  void OnCancel() override { scope_.OnCancel(); }
  void OnDone() override { delete this; }

  // On a disk thread. True if more is to be read.
  bool Handle();
  absl::Status HandleMessage();
  absl::Status HandleOpen(const v1::UploadVideoRequest::Open& open);
  absl::Status HandleChunk(const v1::UploadVideoRequest::Chunk& chunk);
  void End(const absl::Status& status);

  rpc::CallScope scope_;
  UploadStore& store_;
  concurrency::FairExecutor& disk_;
  v1::UploadVideoResponse* const response_;
  rpc::ParsedMessage<v1::UploadVideoRequest> message_;
  std::unique_ptr<UploadStore::Writer> writer_;
  bool opened_ = false;
  // Nothing more is wanted from the caller.
  bool complete_ = false;
};

}  // namespace reelsight::orchestrator
