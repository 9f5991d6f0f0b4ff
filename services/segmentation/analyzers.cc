// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/analyzers.h"

#include "services/segmentation/background_segmentation/background_analyzer.h"

namespace reelsight::segmentation {

std::vector<std::unique_ptr<analysis::Analyzer>> MakeSegmentationAnalyzers(inference::ModelSource& models) {
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(background_segmentation::MakeBackgroundAnalyzer(models));
  return analyzers;
}

}  // namespace reelsight::segmentation
