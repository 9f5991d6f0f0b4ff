// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/pp_ocr_reader.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/detection/text_overlay/ctc_decoder.h"
#include "services/detection/text_overlay/db_postprocess.h"
#include "services/detection/text_overlay/model_outputs.h"
#include "services/detection/text_overlay/recognizer_batch.h"
#include "services/detection/text_overlay/region_crop.h"
#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

using inference::PinnedModel;
using inference::Sample;
using inference::Tensor;

// The detector's input: not larger, and a multiple of this.
constexpr int kDetectorMaxSidePx = 960;
constexpr int kDetectorStepPx = 32;
constexpr int kLineHeightPx = 48;
constexpr int kClassifierWidthPx = 192;
// A line is turned if the classifier is as sure that it stands on its head.
constexpr float kTurnScore = 0.9F;

cv::Size DetectorSize(const cv::Mat& picture) {
  const double ratio = std::min(1.0, static_cast<double>(kDetectorMaxSidePx) / std::max(picture.cols, picture.rows));
  const auto side = [&](int px) {
    const int scaled = static_cast<int>(px * ratio);
    return std::max(kDetectorStepPx,
                    static_cast<int>(std::nearbyint(scaled / static_cast<double>(kDetectorStepPx))) * kDetectorStepPx);
  };
  return {side(picture.cols), side(picture.rows)};
}

// [1, 3, height, padded width], blue first, (v / 255 - 0.5) / 0.5, zeros to the right of the picture.
Tensor ToInput(const cv::Mat& rgb, int padded_width_px) {
  Tensor tensor(inference::DType::kFloat32, {1, 3, rgb.rows, padded_width_px});
  const auto values = tensor.mutable_values<float>();
  const auto width = static_cast<size_t>(padded_width_px), height = static_cast<size_t>(rgb.rows),
             filled = static_cast<size_t>(rgb.cols);
  for (size_t channel = 0; channel < 3; ++channel) {
    for (size_t y = 0; y < height; ++y) {
      const uint8_t* const row = rgb.ptr<uint8_t>(static_cast<int>(y)) + (2 - channel);
      float* const out = values.data() + (channel * height + y) * width;
      for (size_t x = 0; x < filled; ++x) out[x] = static_cast<float>(row[3 * x]) * (2 / 255.0F) - 1;
      std::fill(out + filled, out + width, 0.0F);
    }
  }
  return tensor;
}

// A line's width at kLineHeightPx.
int LineWidth(const cv::Mat& line) {
  return static_cast<int>(std::ceil(kLineHeightPx * (static_cast<double>(line.cols) / line.rows)));
}

Tensor LineInput(const cv::Mat& line, int padded_width_px) {
  cv::Mat scaled;
  cv::resize(line, scaled, {std::min(LineWidth(line), padded_width_px), kLineHeightPx});
  return ToInput(scaled, padded_width_px);
}

absl::StatusOr<std::vector<std::string>> CharactersOf(const PinnedModel& recognizer) {
  const auto& labels = recognizer->entry().labels();
  std::vector<std::string> characters(labels.begin(), labels.end());
  if (characters.empty()) {
    const auto it = recognizer->metadata().find("character");
    if (it == recognizer->metadata().end() || it->second.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("model ", recognizer->entry().name(),
                       " does not say its characters: give `labels` in the catalogue, or metadata `character`"));
    }
    const std::string_view text = it->second;
    for (const auto& line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
      characters.emplace_back(line);
    }
  }
  // PP-OCR's recognisers have the space as their last class.
  characters.emplace_back(" ");
  return characters;
}

// A line of one of the pictures.
struct Line {
  size_t picture = 0;
  Quad quad;
  cv::Mat pixels;
  std::string text;
  float score = 0;
};

class PpOcrReader final : public TextReader {
 public:
  PpOcrReader(PinnedModel detector, PinnedModel classifier, PinnedModel recognizer, std::vector<std::string> characters)
      : detector_(std::move(detector)),
        classifier_(std::move(classifier)),
        recognizer_(std::move(recognizer)),
        characters_(std::move(characters)) {}

  absl::StatusOr<std::vector<PictureText>> Read(const std::string& client,
                                                std::span<const analysis::Image* const> pictures,
                                                const CancelToken& cancel) const override {
    std::vector<cv::Mat> mats;
    for (const analysis::Image* const picture : pictures) {
      ASSIGN_OR_RETURN(cv::Mat mat, AsMat(*picture));
      mats.push_back(std::move(mat));
    }
    std::vector<PictureText> texts(mats.size());
    ASSIGN_OR_RETURN(std::vector<Line> lines, Detect(client, mats, &texts, cancel));
    RETURN_IF_ERROR(Turn(client, &lines, cancel));
    RETURN_IF_ERROR(Recognize(client, &lines, cancel));
    for (Line& line : lines) {
      if (absl::StripAsciiWhitespace(line.text).empty()) continue;
      texts[line.picture].readings.push_back({line.quad, std::move(line.text), line.score});
    }
    return texts;
  }

 private:
  absl::StatusOr<std::vector<Line>> Detect(const std::string& client, const std::vector<cv::Mat>& pictures,
                                           std::vector<PictureText>* texts, const CancelToken& cancel) const {
    std::vector<Sample> samples;
    for (const cv::Mat& picture : pictures) {
      RETURN_IF_ERROR(cancel.status());
      cv::Mat scaled = picture;
      if (const cv::Size size = DetectorSize(picture); size != picture.size()) cv::resize(picture, scaled, size);
      samples.push_back({ToInput(scaled, scaled.cols)});
    }
    ASSIGN_OR_RETURN(const std::vector<Sample> maps, detector_->Run(client, std::move(samples), cancel));
    std::vector<Line> lines;
    for (size_t i = 0; i < pictures.size(); ++i) {
      RETURN_IF_ERROR(cancel.status());
      const cv::Size size = DetectorSize(pictures[i]);
      RETURN_IF_ERROR(CheckOutput(*detector_, maps[i], {1, 1, size.height, size.width}));
      std::vector<TextRegion> regions = FindDbRegions(maps[i][0].values<float>(), size.width, size.height,
                                                      pictures[i].cols, pictures[i].rows, DbOptions());
      (*texts)[i].skipped_regions = KeepLargest(&regions);
      for (const TextRegion& region : regions) {
        FlatCrop crop = CropFlat(pictures[i], region.quad);
        lines.push_back({.picture = i, .quad = crop.quad, .pixels = std::move(crop.pixels)});
      }
    }
    return lines;
  }

  // Turns lines that stand on their head.
  absl::Status Turn(const std::string& client, std::vector<Line>* lines, const CancelToken& cancel) const {
    return RunLines(
        *classifier_, client, std::vector<int>(lines->size(), kClassifierWidthPx),
        [&](size_t i) { return LineInput((*lines)[i].pixels, kClassifierWidthPx); },
        [&](size_t i, const Sample& outputs) -> absl::Status {
          RETURN_IF_ERROR(CheckOutput(*classifier_, outputs, {1, 2}));
          if (outputs[0].values<float>()[1] <= kTurnScore) return absl::OkStatus();
          Line& line = (*lines)[i];
          cv::rotate(line.pixels, line.pixels, cv::ROTATE_180);
          std::swap(line.quad[0], line.quad[2]);
          std::swap(line.quad[1], line.quad[3]);
          return absl::OkStatus();
        },
        cancel);
  }

  absl::Status Recognize(const std::string& client, std::vector<Line>* lines, const CancelToken& cancel) const {
    std::vector<int> widths_px;
    for (const Line& line : *lines) widths_px.push_back(PaddedWidth(LineWidth(line.pixels)));
    const auto classes = static_cast<int64_t>(characters_.size()) + 1;
    return RunLines(
        *recognizer_, client, widths_px, [&](size_t i) { return LineInput((*lines)[i].pixels, widths_px[i]); },
        [&](size_t i, const Sample& outputs) -> absl::Status {
          RETURN_IF_ERROR(CheckOutput(*recognizer_, outputs, {1, -1, classes}));
          DecodedText decoded = DecodeCtc(outputs[0].values<float>(), characters_);
          (*lines)[i].score = MeanScore(decoded.character_scores);
          (*lines)[i].text = std::move(decoded.text);
          return absl::OkStatus();
        },
        cancel);
  }

  const PinnedModel detector_;
  const PinnedModel classifier_;
  const PinnedModel recognizer_;
  const std::vector<std::string> characters_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TextReader>> MakePpOcrReader(PinnedModel detector, PinnedModel classifier,
                                                            PinnedModel recognizer) {
  ASSIGN_OR_RETURN(std::vector<std::string> characters, CharactersOf(recognizer));
  return std::make_unique<PpOcrReader>(std::move(detector), std::move(classifier), std::move(recognizer),
                                       std::move(characters));
}

}  // namespace reelsight::text_overlay
