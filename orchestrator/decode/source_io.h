// SPDX-License-Identifier: Apache-2.0
//
// FFmpeg's way into a ByteSource. It hands over bytes of that one source and opens nothing.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "orchestrator/decode/container_budget.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/source/byte_source.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

// Used by one thread at a time.
class SourceIo {
 public:
  // Size of one read, in bytes. More wastes bytes at each seek in a remote source.
  static constexpr int kBufferBytes = 128 * 1024;

  // `budget`, which outlives this, is told how far the source was read; nothing is read once its time is over.
  static absl::StatusOr<std::unique_ptr<SourceIo>> Create(std::unique_ptr<ByteSource> source, ContainerBudget& budget,
                                                          CancelToken cancel);
  ~SourceIo();
  SourceIo(const SourceIo&) = delete;
  SourceIo& operator=(const SourceIo&) = delete;

  AVIOContext* context() { return context_.get(); }
  ByteSource& source() { return *source_; }
  const CancelToken& cancel() const { return cancel_; }
  // Why a read failed; OK if none did. FFmpeg says no more than "input/output error". No read follows a failed one.
  const absl::Status& status() const { return status_; }

 private:
  SourceIo(std::unique_ptr<ByteSource> source, ContainerBudget& budget, CancelToken cancel)
      : source_(std::move(source)), budget_(budget), cancel_(std::move(cancel)) {}
  static int Read(void* self, uint8_t* buffer, int size_bytes);
  static int64_t Seek(void* self, int64_t offset, int whence);

  const std::unique_ptr<ByteSource> source_;
  ContainerBudget& budget_;
  const CancelToken cancel_;
  int64_t position_ = 0;
  absl::Status status_;
  IoHandle context_;
};

}  // namespace reelsight::orchestrator
