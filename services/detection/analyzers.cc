// SPDX-License-Identifier: Apache-2.0
#include "services/detection/analyzers.h"

#include "services/detection/body_pose/pose_analyzer.h"
#include "services/detection/eye_tracking/eye_tracking_analyzer.h"
#include "services/detection/object_detection/object_analyzer.h"

namespace reelsight::detection {

std::vector<std::unique_ptr<analysis::Analyzer>> MakeDetectionAnalyzers(inference::ModelSource& models) {
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(body_pose::MakePoseAnalyzer(models));
  analyzers.push_back(eye_tracking::MakeEyeTrackingAnalyzer(models));
  analyzers.push_back(object_detection::MakeObjectAnalyzer(models));
  return analyzers;
}

}  // namespace reelsight::detection
