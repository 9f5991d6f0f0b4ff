// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/ctc_decoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace reelsight::text_overlay {

DecodedText DecodeCtc(std::span<const float> probabilities, const std::vector<std::string>& characters) {
  const size_t classes = characters.size() + 1;
  DecodedText decoded;
  size_t last = 0;
  for (size_t at = 0; at + classes <= probabilities.size(); at += classes) {
    const std::span<const float> step = probabilities.subspan(at, classes);
    const auto best = static_cast<size_t>(std::max_element(step.begin(), step.end()) - step.begin());
    if (best != 0) {
      decoded.step_scores.push_back(step[best]);
      if (best != last) {
        decoded.text += characters[best - 1];
        decoded.character_scores.push_back(step[best]);
      }
    }
    last = best;
  }
  return decoded;
}

float MeanScore(std::span<const float> scores) {
  if (scores.empty()) return 0;
  return std::accumulate(scores.begin(), scores.end(), 0.0F) / static_cast<float>(scores.size());
}

float EasyOcrScore(std::span<const float> scores) {
  if (scores.empty()) return 0;
  double log_product = 0;
  for (const float score : scores) log_product += std::log(std::max(score, 1e-30F));
  return static_cast<float>(std::exp(log_product * 2 / std::sqrt(static_cast<double>(scores.size()))));
}

}  // namespace reelsight::text_overlay
