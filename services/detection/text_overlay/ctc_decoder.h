// SPDX-License-Identifier: Apache-2.0
//
// Greedy decoding of connectionist temporal classification (Graves et al., 2006): the strongest class of each step,
// repetitions joined, blanks dropped. No language model, no beam.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace reelsight::text_overlay {

struct DecodedText {
  // UTF-8, may be empty.
  std::string text;
  // Probabilities of the steps that gave a character, in order; for a run of equal steps its first one.
  std::vector<float> character_scores;
  // Probabilities of all steps whose strongest class is not the blank.
  std::vector<float> step_scores;
};

// `probabilities` holds steps * classes values, step by step; class 0 is the blank, class i is characters[i - 1].
// REQUIRES: characters.size() + 1 classes, a whole number of steps.
DecodedText DecodeCtc(std::span<const float> probabilities, const std::vector<std::string>& characters);

// Arithmetic mean, PP-OCR's confidence of a line; 0 for none.
float MeanScore(std::span<const float> scores);
// Product to the power of 2 / sqrt(count), EasyOCR's confidence of a line; 0 for none.
float EasyOcrScore(std::span<const float> scores);

}  // namespace reelsight::text_overlay
