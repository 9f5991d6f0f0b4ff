// SPDX-License-Identifier: Apache-2.0
//
// One UploadVideo call: feeds chunks to an UploadStore, one at a time, so that memory holds one chunk, and ends calls
// that send too little.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "grpcpp/support/server_callback.h"
#include "orchestrator/source/rate_floor.h"
#include "orchestrator/source/upload_store.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/mutex.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/concurrency/timer.h"
#include "shared/rpc/call.h"
#include "shared/rpc/parsed_message.h"

namespace reelsight::orchestrator {

// Deletes itself when gRPC is done with it. Borrows the rest.
//
// Note [Who ends an upload]
// While a read is under way either OnReadDone goes on, or the alarm ends the call; else the one thread that handles the
// message does. Which of both it is, is decided under reading_->mutex, which is not held for the end itself: gRPC
// deletes the reactor only after Finish, and only one of them calls that.
class UploadReactor final : public grpc::ServerReadReactor<rpc::ParsedMessage<v1::UploadVideoRequest>> {
 public:
  UploadReactor(rpc::CallEnvironment environment, const grpc::CallbackServerContext& context, UploadStore& store,
                concurrency::FairExecutor& disk, v1::UploadVideoResponse* response);

  void Start();

 private:
  using Clock = concurrency::Timer::Clock;

  // The read under way; shared with alarms, which may come when the reactor is gone.
  struct Reading {
    explicit Reading(const RateFloor::Options& sender) : floor(sender) {}
    // False if the caller is too slow. Counts the wait since `start`.
    bool KeepsUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

    Mutex mutex;
    // Null while no read is under way, or where the alarm has ended the call.
    UploadReactor* reactor ABSL_GUARDED_BY(mutex) = nullptr;
    int64_t number ABSL_GUARDED_BY(mutex) = 0;
    RateFloor floor ABSL_GUARDED_BY(mutex);
    Clock::time_point start ABSL_GUARDED_BY(mutex);
    concurrency::Timer::Ticket alarm ABSL_GUARDED_BY(mutex);
  };

  ~UploadReactor() override = default;

  void OnReadDone(bool ok) override;
  void OnCancel() override { scope_.OnCancel(); }
  void OnDone() override { delete this; }

  // Reads the next message, with an alarm.
  void ReadMessage();
  static void SetAlarm(const std::shared_ptr<Reading>& reading) ABSL_EXCLUSIVE_LOCKS_REQUIRED(reading->mutex);
  static void OnAlarm(const std::shared_ptr<Reading>& reading, int64_t number);
  absl::Status TooSlowError() const;
  // Runs `step` on a disk thread; calls take turns there.
  void RunOnDisk(void (UploadReactor::*step)());
  void HandleAndGoOn();
  // Hashes a piece of what an earlier process wrote, then another, then reads.
  void HashRest();
  absl::Status HandleMessage();
  absl::Status HandleOpen(const v1::UploadVideoRequest::Open& open);
  absl::Status HandleChunk(const v1::UploadVideoRequest::Chunk& chunk);
  void EndCall(const absl::Status& status);

  rpc::CallScope scope_;
  UploadStore& store_;
  concurrency::FairExecutor& disk_;
  const std::string name_;
  v1::UploadVideoResponse* const response_;
  rpc::ParsedMessage<v1::UploadVideoRequest> message_;
  std::unique_ptr<UploadStore::Writer> writer_;
  bool opened_ = false;
  // Nothing more is wanted from the caller.
  bool complete_ = false;

  const std::shared_ptr<Reading> reading_;
};

}  // namespace reelsight::orchestrator
