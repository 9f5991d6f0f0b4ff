// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/recognizer_batch.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

// The first is the least width that PP-OCR pads to.
constexpr std::array<int, 7> kWidthsPx = {320, 480, 640, 960, 1280, 1920, 2560};
// Padded widths of the lines of one run, summed: about 100 MB of outputs.
constexpr int kRunWidthPx = 10240;

}  // namespace

int PaddedWidth(int width_px) {
  const auto* const it = std::lower_bound(kWidthsPx.begin(), kWidthsPx.end(), width_px);
  return it == kWidthsPx.end() ? kWidthsPx.back() : *it;
}

absl::Status RunLines(const inference::Model& model, const std::string& client, const std::vector<int>& widths_px,
                      const std::function<inference::Tensor(size_t)>& make,
                      const std::function<absl::Status(size_t, const inference::Sample&)>& use,
                      const CancelToken& cancel) {
  std::vector<size_t> order(widths_px.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return widths_px[a] < widths_px[b]; });
  for (size_t begin = 0; begin < order.size();) {
    RETURN_IF_ERROR(cancel.status());
    size_t end = begin;
    std::vector<inference::Sample> samples;
    for (int width = 0; end < order.size() && (end == begin || width + widths_px[order[end]] <= kRunWidthPx); ++end) {
      width += widths_px[order[end]];
      samples.push_back({make(order[end])});
    }
    ASSIGN_OR_RETURN(const std::vector<inference::Sample> outputs, model.Run(client, std::move(samples), cancel));
    for (size_t i = begin; i < end; ++i) RETURN_IF_ERROR(use(order[i], outputs[i - begin]));
    begin = end;
  }
  return absl::OkStatus();
}

}  // namespace reelsight::text_overlay
