// SPDX-License-Identifier: Apache-2.0
#include "services/model_analyzer/model_analyzer.h"

#include <algorithm>

namespace reelsight::model_analyzer {

std::vector<std::string> UsedModels::main_first() const {
  std::vector<std::string> ordered = names;
  const auto place = ordered.begin() + static_cast<std::ptrdiff_t>(main);
  std::rotate(ordered.begin(), place, place + 1);
  return ordered;
}

analyzer::v1::AnalyzerDescription DescribeFacts(const Facts& facts, const std::string& options_type,
                                                const std::string& result_type, const inference::ModelSource& models,
                                                const absl::StatusOr<UsedModels>& used) {
  analyzer::v1::AnalyzerDescription description;
  description.set_name(facts.name);
  description.set_description(facts.description);
  description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_RGB24);
  description.mutable_frame_spec()->set_max_side_px(facts.max_side_px);
  description.mutable_sampling()->set_sample_fps(facts.sample_fps);
  description.mutable_sampling()->set_reference_min_interval(facts.reference_min_interval);
  description.mutable_sampling()->set_reference_divisor(facts.reference_divisor);
  description.set_batch_frames(8);
  if (facts.follows_cuts) {
    analyzer::v1::Dependency& dependency = *description.add_depends_on();
    dependency.set_analyzer("cut_analysis");
    dependency.set_optional(true);
  }
  description.set_options_type(options_type);
  description.set_result_type(result_type);
  if (used.ok()) {
    service::DescribeModels(models, used->names, &description);
  } else {
    description.set_unavailable_reason(std::string(used.status().message()));
  }
  return description;
}

}  // namespace reelsight::model_analyzer
