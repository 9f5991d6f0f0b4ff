// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/craft_crnn_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/detection/text_overlay/craft_postprocess.h"
#include "services/detection/text_overlay/ctc_decoder.h"
#include "services/detection/text_overlay/model_outputs.h"
#include "services/detection/text_overlay/recognizer_batch.h"
#include "services/detection/text_overlay/region_crop.h"
#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

using inference::PinnedModel;
using inference::Sample;
using inference::Tensor;

// The detector's input: the picture, scaled down to this if it is larger, filled up with black to a multiple of that.
constexpr int kDetectorMaxSidePx = 2560;
constexpr int kDetectorStepPx = 32;
// Its maps are half as large.
constexpr int kMapStride = 2;
constexpr int kLineHeightPx = 64;
// Lines are filled up to a multiple of kLineHeightPx; longer ones are squeezed into this.
constexpr int kLineMaxWidthPx = 2560;
// Mean and deviation of ImageNet: red, green, blue.
constexpr std::array<float, 3> kMean = {0.485F * 255, 0.456F * 255, 0.406F * 255};
constexpr std::array<float, 3> kDeviation = {0.229F * 255, 0.224F * 255, 0.225F * 255};

double DetectorRatio(const cv::Mat& picture) {
  return std::min(1.0, static_cast<double>(kDetectorMaxSidePx) / std::max(picture.cols, picture.rows));
}

int FilledSide(int px) { return (px + kDetectorStepPx - 1) / kDetectorStepPx * kDetectorStepPx; }

Tensor DetectorInput(const cv::Mat& picture) {
  cv::Mat scaled = picture;
  if (const double ratio = DetectorRatio(picture); ratio < 1) {
    cv::resize(
        picture, scaled,
        {std::max(1, static_cast<int>(picture.cols * ratio)), std::max(1, static_cast<int>(picture.rows * ratio))});
  }
  const int width = FilledSide(scaled.cols), height = FilledSide(scaled.rows);
  cv::Mat filled;
  cv::copyMakeBorder(scaled, filled, 0, height - scaled.rows, 0, width - scaled.cols, cv::BORDER_CONSTANT);
  Tensor tensor(inference::DType::kFloat32, {1, 3, height, width});
  float* out = tensor.mutable_values<float>().data();
  for (size_t channel = 0; channel < 3; ++channel) {
    for (int y = 0; y < height; ++y) {
      const uint8_t* const row = filled.ptr<uint8_t>(y) + channel;
      for (int x = 0; x < width; ++x) *out++ = (static_cast<float>(row[3 * x]) - kMean[channel]) / kDeviation[channel];
    }
  }
  return tensor;
}

// A line of one of the pictures, grey, kLineHeightPx high unless it is higher than wide.
struct Line {
  size_t picture = 0;
  Quad quad;
  cv::Mat pixels;
  std::string text;
  float score = 0;
};

// Empty if nothing of the line lies in the picture.
cv::Mat CutLine(const cv::Mat& grey, const CraftLine& line) {
  cv::Mat cut;
  if (line.upright) {
    const cv::Point top_left(static_cast<int>(line.quad[0].x), static_cast<int>(line.quad[0].y)),
        bottom_right(static_cast<int>(line.quad[2].x), static_cast<int>(line.quad[2].y));
    cut = grey(cv::Rect(top_left, bottom_right) & cv::Rect(0, 0, grey.cols, grey.rows));
  } else {
    const auto length = [&](size_t a, size_t b) {
      return static_cast<int>(std::hypot(line.quad[a].x - line.quad[b].x, line.quad[a].y - line.quad[b].y));
    };
    const int width = std::max(length(2, 3), length(1, 0)), height = std::max(length(1, 2), length(0, 3));
    if (width < 2 || height < 2) return cut;
    const auto right = static_cast<float>(width - 1), bottom = static_cast<float>(height - 1);
    std::vector<cv::Point2f> from, to = {{0, 0}, {right, 0}, {right, bottom}, {0, bottom}};
    for (const Point& corner : line.quad) from.emplace_back(corner.x, corner.y);
    cv::warpPerspective(grey, cut, cv::getPerspectiveTransform(from, to), {width, height});
  }
  if (cut.empty()) return cut;
  const double ratio = static_cast<double>(cut.cols) / cut.rows;
  cv::Mat scaled;
  if (ratio < 1) {
    cv::resize(cut, scaled, {kLineHeightPx, static_cast<int>(kLineHeightPx / ratio)});
  } else {
    cv::resize(cut, scaled, {static_cast<int>(kLineHeightPx * ratio), kLineHeightPx});
  }
  return scaled;
}

// The width that a line is filled up to.
int FilledWidth(const cv::Mat& line) {
  const double ratio = std::max(static_cast<double>(line.cols) / line.rows, static_cast<double>(line.rows) / line.cols);
  return std::min(kLineMaxWidthPx, static_cast<int>(std::ceil(ratio)) * kLineHeightPx);
}

// [1, 1, 64, width], v / 127.5 - 1, the last column repeated to the right.
Tensor LineInput(const cv::Mat& line, int width_px) {
  const int scaled_width =
      std::min(width_px, static_cast<int>(std::ceil(kLineHeightPx * static_cast<double>(line.cols) / line.rows)));
  cv::Mat scaled = line;
  if (line.size() != cv::Size(scaled_width, kLineHeightPx)) {
    cv::resize(line, scaled, {scaled_width, kLineHeightPx}, 0, 0, cv::INTER_CUBIC);
  }
  cv::Mat filled;
  cv::copyMakeBorder(scaled, filled, 0, 0, 0, width_px - scaled_width, cv::BORDER_REPLICATE);
  Tensor tensor(inference::DType::kFloat32, {1, 1, kLineHeightPx, width_px});
  float* out = tensor.mutable_values<float>().data();
  for (int y = 0; y < kLineHeightPx; ++y) {
    const uint8_t* const row = filled.ptr<uint8_t>(y);
    for (int x = 0; x < width_px; ++x) *out++ = static_cast<float>(row[x]) / 127.5F - 1;
  }
  return tensor;
}

std::vector<float> Softmax(std::span<const float> logits, size_t classes) {
  std::vector<float> probabilities(logits.begin(), logits.end());
  for (size_t at = 0; at + classes <= probabilities.size(); at += classes) {
    const auto begin = probabilities.begin() + static_cast<std::ptrdiff_t>(at),
               end = begin + static_cast<std::ptrdiff_t>(classes);
    const float largest = *std::max_element(begin, end);
    float sum = 0;
    for (auto it = begin; it != end; ++it) sum += * it = std::exp(*it - largest);
    for (auto it = begin; it != end; ++it) *it /= sum;
  }
  return probabilities;
}

class CraftCrnnReader final : public TextReader {
 public:
  CraftCrnnReader(PinnedModel detector, PinnedModel recognizer)
      : detector_(std::move(detector)),
        recognizer_(std::move(recognizer)),
        characters_(recognizer_->entry().labels().begin(), recognizer_->entry().labels().end()) {}

  absl::StatusOr<std::vector<PictureText>> Read(const std::string& client,
                                                std::span<const analysis::Image* const> pictures,
                                                const CancelToken& cancel) const override {
    std::vector<PictureText> texts(pictures.size());
    std::vector<Line> lines;
    // One by one: the detector's layers of a single picture take hundreds of megabytes.
    for (size_t i = 0; i < pictures.size(); ++i) {
      ASSIGN_OR_RETURN(const cv::Mat picture, AsMat(*pictures[i]));
      RETURN_IF_ERROR(Detect(client, picture, i, &lines, &texts[i], cancel));
    }
    RETURN_IF_ERROR(Recognize(client, &lines, cancel));
    for (Line& line : lines) {
      if (absl::StripAsciiWhitespace(line.text).empty()) continue;
      texts[line.picture].readings.push_back({line.quad, std::move(line.text), line.score});
    }
    return texts;
  }

 private:
  absl::Status Detect(const std::string& client, const cv::Mat& picture, size_t index, std::vector<Line>* lines,
                      PictureText* text, const CancelToken& cancel) const {
    RETURN_IF_ERROR(cancel.status());
    std::vector<Sample> samples;
    samples.push_back({DetectorInput(picture)});
    const inference::Shape input = samples[0][0].shape();
    ASSIGN_OR_RETURN(const std::vector<Sample> outputs, detector_->Run(client, std::move(samples), cancel));
    const int64_t height = input[2] / kMapStride, width = input[3] / kMapStride;
    RETURN_IF_ERROR(CheckOutput(*detector_, outputs[0], {1, 2, height, width}));
    const std::span<const float> maps = outputs[0][0].values<float>();
    const auto map_size = static_cast<size_t>(height * width);
    const double scale = kMapStride / DetectorRatio(picture);
    std::vector<TextRegion> regions = FindCraftWords(maps.subspan(0, map_size), maps.subspan(map_size),
                                                     static_cast<int>(width), static_cast<int>(height), CraftOptions());
    text->skipped_regions = KeepLargest(&regions);
    std::vector<Quad> words;
    for (const TextRegion& region : regions) {
      Quad& word = words.emplace_back(region.quad);
      for (Point& corner : word) {
        corner = {static_cast<float>(std::trunc(corner.x * scale)), static_cast<float>(std::trunc(corner.y * scale))};
      }
    }
    cv::Mat grey;
    cv::cvtColor(picture, grey, cv::COLOR_RGB2GRAY);
    for (const CraftLine& line : GroupCraftWords(words)) {
      cv::Mat pixels = CutLine(grey, line);
      if (!pixels.empty()) lines->push_back({.picture = index, .quad = line.quad, .pixels = std::move(pixels)});
    }
    return absl::OkStatus();
  }

  absl::Status Recognize(const std::string& client, std::vector<Line>* lines, const CancelToken& cancel) const {
    std::vector<int> widths_px;
    for (const Line& line : *lines) widths_px.push_back(FilledWidth(line.pixels));
    const size_t classes = characters_.size() + 1;
    return RunLines(
        *recognizer_, client, widths_px, [&](size_t i) { return LineInput((*lines)[i].pixels, widths_px[i]); },
        [&](size_t i, const Sample& outputs) -> absl::Status {
          RETURN_IF_ERROR(CheckOutput(*recognizer_, outputs, {1, -1, static_cast<int64_t>(classes)}));
          DecodedText decoded = DecodeCtc(Softmax(outputs[0].values<float>(), classes), characters_);
          (*lines)[i].score = EasyOcrScore(decoded.step_scores);
          (*lines)[i].text = std::move(decoded.text);
          return absl::OkStatus();
        },
        cancel);
  }

  const PinnedModel detector_;
  const PinnedModel recognizer_;
  const std::vector<std::string> characters_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TextReader>> MakeCraftCrnnReader(PinnedModel detector, PinnedModel recognizer) {
  if (recognizer->entry().labels().empty()) {
    return absl::FailedPreconditionError(absl::StrCat("model ", recognizer->entry().name(),
                                                      " does not say its characters: give `labels` in the catalogue"));
  }
  return std::make_unique<CraftCrnnReader>(std::move(detector), std::move(recognizer));
}

}  // namespace reelsight::text_overlay
