// SPDX-License-Identifier: Apache-2.0
//
// What finds and reads text in single pictures: a detector, a recogniser and the code between. Knows nothing of time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/text_overlay/text_region.h"
#include "shared/analysis/image.h"
#include "shared/base/cancel_token.h"
#include "shared/inference/model_source.h"

namespace reelsight::text_overlay {

// Regions of one picture that are read; in a picture with more, the smallest are not.
inline constexpr int kMaxRegions = 200;

struct PictureText {
  // In reading order.
  std::vector<Reading> readings;
  // Regions over kMaxRegions, not read.
  int skipped_regions = 0;
};

// Thread-safe.
class TextReader {
 public:
  virtual ~TextReader() = default;

  // Text of each picture, in order. RGB24 only, else INVALID_ARGUMENT. INTERNAL, INVALID_MODEL_OUTPUT, naming the model
  // and the shape, if outputs are not those of the family. Blocks; `client` as in inference::Model::Run.
  virtual absl::StatusOr<std::vector<PictureText>> Read(const std::string& client,
                                                        std::span<const analysis::Image* const> pictures,
                                                        const CancelToken& cancel) const = 0;
};

}  // namespace reelsight::text_overlay
