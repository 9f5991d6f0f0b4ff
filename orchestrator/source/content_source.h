// SPDX-License-Identifier: Apache-2.0
//
// A video that is in memory already, as the `content` of a request. Copies nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "orchestrator/source/byte_source.h"

namespace reelsight::orchestrator {

class ContentSource final : public ByteSource {
 public:
  // `owner` keeps `bytes` alive.
  ContentSource(std::shared_ptr<const void> owner, std::string_view bytes) : owner_(std::move(owner)), bytes_(bytes) {}

  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) override;
  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }
  int64_t read_bytes() const override { return read_bytes_; }
  const std::string& name() const override { return name_; }

 private:
  const std::shared_ptr<const void> owner_;
  const std::string_view bytes_;
  const std::string name_ = "content";
  int64_t read_bytes_ = 0;
};

}  // namespace reelsight::orchestrator
