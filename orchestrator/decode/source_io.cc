// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/source_io.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/memory/memory.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

absl::StatusOr<std::unique_ptr<SourceIo>> SourceIo::Create(std::unique_ptr<ByteSource> source, ContainerBudget& budget,
                                                           CancelToken cancel) {
  auto io = absl::WrapUnique(new SourceIo(std::move(source), budget, std::move(cancel)));
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  if (buffer != nullptr) {
    io->context_.reset(avio_alloc_context(buffer, kBufferBytes, /*write_flag=*/0, io.get(), &SourceIo::Read,
                                          /*write_packet=*/nullptr, &SourceIo::Seek));
  }
  if (io->context_ == nullptr) {
    av_free(buffer);
    return OutOfMemory("reading the source");
  }
  io->context_->seekable = AVIO_SEEKABLE_NORMAL;
  return io;
}

SourceIo::~SourceIo() {
  if (context_ != nullptr) av_freep(&context_->buffer);
}

int SourceIo::Read(void* self, uint8_t* buffer, int size_bytes) {
  auto& io = *static_cast<SourceIo*>(self);
  if (io.status_.ok()) io.status_ = io.cancel_.status();
  if (!io.status_.ok() || !io.budget_.HasTime()) return AVERROR_EXIT;
  const absl::StatusOr<size_t> read =
      io.source_->ReadAt(io.position_, {buffer, static_cast<size_t>(size_bytes)}, io.cancel_);
  if (!read.ok()) {
    io.status_ = read.status();
    return AVERROR_EXIT;
  }
  if (*read == 0) return AVERROR_EOF;
  io.position_ += static_cast<int64_t>(*read);
  io.budget_.ReadUpTo(io.position_);
  return static_cast<int>(*read);
}

int64_t SourceIo::Seek(void* self, int64_t offset, int whence) {
  auto& io = *static_cast<SourceIo*>(self);
  const int64_t size = io.source_->size_bytes();
  int64_t base = 0;
  switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
      return size >= 0 ? size : AVERROR(ENOSYS);
    case SEEK_SET:
      break;
    case SEEK_CUR:
      base = io.position_;
      break;
    case SEEK_END:
      if (size < 0) return AVERROR(ENOSYS);
      base = size;
      break;
    default:
      return AVERROR(EINVAL);
  }
  if (offset < -base || offset > INT64_MAX - base) return AVERROR(EINVAL);
  io.position_ = base + offset;
  return io.position_;
}

}  // namespace reelsight::orchestrator
