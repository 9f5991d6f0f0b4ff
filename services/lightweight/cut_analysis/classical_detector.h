// SPDX-License-Identifier: Apache-2.0
//
// The detector of hand-made features and statistics. It needs no weights.
#pragma once

#include <string>
#include <vector>

#include "services/lightweight/cut_analysis/transition_detector.h"

namespace reelsight::cut_analysis {

class ClassicalDetector final : public TransitionDetector {
 public:
  std::string Extract(const I420View& image) const override;
  absl::StatusOr<std::vector<Transition>> Detect(std::span<const FrameRecord> frames, const DetectionOptions& options,
                                                 const CancelToken& cancel) const override;
};

}  // namespace reelsight::cut_analysis
