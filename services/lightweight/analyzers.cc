// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/analyzers.h"

#include "services/lightweight/camera_analysis/camera_analyzer.h"
#include "services/lightweight/color_analysis/color_analyzer.h"
#include "services/lightweight/cut_analysis/cut_analyzer.h"
#include "services/lightweight/scene_segmentation/scene_segmenter.h"

namespace reelsight::lightweight {

std::vector<std::unique_ptr<analysis::Analyzer>> MakeLightweightAnalyzers(inference::ModelSource* models) {
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(camera_analysis::MakeCameraAnalyzer());
  analyzers.push_back(color_analysis::MakeColorAnalyzer());
  analyzers.push_back(cut_analysis::MakeCutAnalyzer(models));
  analyzers.push_back(scene_segmentation::MakeSceneSegmenter());
  return analyzers;
}

}  // namespace reelsight::lightweight
