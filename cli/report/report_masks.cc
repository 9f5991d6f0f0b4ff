// SPDX-License-Identifier: Apache-2.0
#include "cli/report/report_masks.h"

#include <algorithm>

#include "absl/time/time.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::report {
namespace {

using v1::BackgroundSegmentationOptions;

// A little more than the page's SAMPLE_REACH.
constexpr absl::Duration kReach = absl::Milliseconds(300);

// Clears the masks of the frames for which `keep` is false.
template <typename Keep>
void ClearMasksUnless(Keep keep, v1::AnalyzeResponse* response) {
  for (v1::AnalyzerResult& result : *response->mutable_results()) {
    if (!result.has_background_segmentation()) continue;
    for (auto& frame : *result.mutable_background_segmentation()->mutable_frames()) {
      if (frame.has_mask() && !keep(analysis::FromProto(frame.offset()))) frame.clear_mask();
    }
  }
}

}  // namespace

bool AskForMasks(v1::AnalyzeRequest* request) {
  const auto& names = request->analyzers();
  if (!names.empty() && std::find(names.begin(), names.end(), kMaskAnalyzer) == names.end()) return false;
  const BackgroundSegmentationOptions& given = request->options().background_segmentation();
  if (given.mask_format() != BackgroundSegmentationOptions::MASK_FORMAT_UNSPECIFIED) return false;
  const auto format = given.model().empty() ? BackgroundSegmentationOptions::PNG : BackgroundSegmentationOptions::RLE;
  request->mutable_options()->mutable_background_segmentation()->set_mask_format(format);
  return true;
}

void ClearMasks(v1::AnalyzeResponse* response) {
  ClearMasksUnless([](absl::Duration) { return false; }, response);
}

void KeepMasksOfPictures(const std::vector<KeyFrame>& pictures, v1::AnalyzeResponse* response) {
  const auto drawn = [&](absl::Duration offset) {
    return std::any_of(pictures.begin(), pictures.end(),
                       [&](const KeyFrame& picture) { return absl::AbsDuration(picture.offset - offset) <= kReach; });
  };
  ClearMasksUnless(drawn, response);
}

}  // namespace reelsight::report
