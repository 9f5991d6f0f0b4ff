// SPDX-License-Identifier: Apache-2.0
#include "services/detection/object_detection/detector_head.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/base/status.h"

namespace reelsight::object_detection {
namespace {

using inference::Affine;
using inference::Box;
using inference::Detection;
using inference::DType;
using inference::Fit;
using inference::ImageTensorOptions;
using inference::Layout;
using inference::Shape;
using inference::Tensor;

absl::Status WrongOutputs(const char* family, std::span<const Tensor> outputs) {
  return MakeError(
      absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
      absl::StrCat("outputs ",
                   absl::StrJoin(outputs, ", ",
                                 [](std::string* out, const Tensor& tensor) {
                                   *out += inference::DTypeName(tensor.type());
                                   *out += inference::ShapeText(tensor.shape());
                                 }),
                   " are not those of family ", family, "; is the model's `family` in the catalogue right?"));
}

bool IsFloat(const Tensor& tensor, size_t rank) {
  return !tensor.empty() && tensor.type() == DType::kFloat32 && tensor.shape().size() == rank && tensor.shape()[0] == 1;
}

Box FromCorners(const Affine& to_picture, float left, float top, float right, float bottom) {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  to_picture.Apply(left, top, &x0, &y0);
  to_picture.Apply(right, bottom, &x1, &y1);
  return {static_cast<float>(std::min(x0, x1)), static_cast<float>(std::min(y0, y1)),
          static_cast<float>(std::max(x0, x1)), static_cast<float>(std::max(y0, y1))};
}

class Head : public DetectorHead {
 public:
  Head(const Options& options, ImageTensorOptions input) : options_(options), input_(input) {
    input_.width_px = options.width_px;
    input_.height_px = options.height_px;
  }
  const ImageTensorOptions& input() const override { return input_; }

 protected:
  // Keeps at most max_detections, strongest first; `suppress`: after NMS. As the published code does, whole boxes are
  // weighed against each other, and cut at the picture's edges after that; those of no area are dropped.
  std::vector<Detection> Finish(const std::vector<Detection>& all, bool suppress) const {
    const float max_iou = suppress ? options_.max_iou : 2.0F;
    std::vector<Detection> kept;
    for (const int index : inference::NonMaximumSuppression(all, max_iou, false, options_.max_detections)) {
      Detection detection = all[static_cast<size_t>(index)];
      detection.box = inference::ClampToUnit(detection.box);
      if (detection.box.area() > 0) kept.push_back(detection);
    }
    return kept;
  }

  const Options options_;
  ImageTensorOptions input_;
};

// Expects the converted graph: decoded boxes and class probabilities of all anchors.
class SsdHead final : public Head {
 public:
  explicit SsdHead(const Options& options) : Head(options, {.fit = Fit::kStretch}) {}

  absl::StatusOr<std::vector<Detection>> Decode(std::span<const Tensor> outputs, const Affine&) const override {
    if (outputs.size() != 2 || !IsFloat(outputs[0], 3) || outputs[0].shape()[2] != 4 || !IsFloat(outputs[1], 3) ||
        outputs[1].shape()[1] != outputs[0].shape()[1] ||
        (options_.class_count > 0 && outputs[1].shape()[2] != options_.class_count)) {
      return WrongOutputs("ssd", outputs);
    }
    const std::span<const float> boxes = outputs[0].values<float>(), scores = outputs[1].values<float>();
    const auto classes = static_cast<size_t>(outputs[1].shape()[2]);
    std::vector<Detection> all;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] < options_.min_score) continue;
      const float* const box = boxes.data() + 4 * (i / classes);
      // Fractions already, of the stretched picture.
      all.push_back(
          {.box = {box[0], box[1], box[2], box[3]}, .score = scores[i], .label = static_cast<int>(i % classes)});
    }
    return Finish(all, true);
  }
};

class SsdTfHead final : public Head {
 public:
  explicit SsdTfHead(const Options& options)
      : Head(options, {.fit = Fit::kStretch, .layout = Layout::kNhwc, .type = DType::kUint8}) {}

  absl::StatusOr<std::vector<Detection>> Decode(std::span<const Tensor> outputs, const Affine&) const override {
    // Boxes have rank 3; of the two of rank 2 the classes come first by name (detection_classes, detection_scores).
    if (outputs.size() != 4 || !IsFloat(outputs[0], 3) || outputs[0].shape()[2] != 4 || !IsFloat(outputs[1], 2) ||
        !IsFloat(outputs[2], 2) || outputs[1].shape()[1] != outputs[0].shape()[1] ||
        outputs[2].shape() != outputs[1].shape()) {
      return WrongOutputs("ssd_tf", outputs);
    }
    const std::span<const float> boxes = outputs[0].values<float>(), classes = outputs[1].values<float>(),
                                 scores = outputs[2].values<float>();
    std::vector<Detection> all;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] < options_.min_score) continue;
      // Fractions already, of the stretched picture.
      all.push_back({.box = {boxes[4 * i + 1], boxes[4 * i], boxes[4 * i + 3], boxes[4 * i + 2]},
                     .score = scores[i],
                     .label = static_cast<int>(std::lround(classes[i])) - 1});
    }
    return Finish(all, false);
  }
};

class YoloV8Head final : public Head {
 public:
  explicit YoloV8Head(const Options& options)
      : Head(options, {.fit = Fit::kLetterboxCentered, .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F}}) {}

  absl::StatusOr<std::vector<Detection>> Decode(std::span<const Tensor> outputs,
                                                const Affine& to_picture) const override {
    if (outputs.empty() || !IsFloat(outputs[0], 3) || outputs[0].shape()[1] < 5 ||
        (options_.class_count > 0 && outputs[0].shape()[1] != 4 + options_.class_count)) {
      return WrongOutputs("yolov8_detect", outputs);
    }
    const auto classes = static_cast<size_t>(outputs[0].shape()[1] - 4),
               count = static_cast<size_t>(outputs[0].shape()[2]);
    const float* const rows = outputs[0].values<float>().data();
    std::vector<Detection> all;
    std::vector<float> best(rows + 4 * count, rows + 5 * count);
    std::vector<int> label(count, 0);
    for (size_t c = 1; c < classes; ++c) {
      const float* const scores = rows + (4 + c) * count;
      for (size_t i = 0; i < count; ++i) {
        if (scores[i] > best[i]) {
          best[i] = scores[i];
          label[i] = static_cast<int>(c);
        }
      }
    }
    for (size_t i = 0; i < count; ++i) {
      if (best[i] < options_.min_score) continue;
      const float x = rows[i], y = rows[count + i], half_width = rows[2 * count + i] / 2,
                  half_height = rows[3 * count + i] / 2;
      all.push_back({.box = FromCorners(to_picture, x - half_width, y - half_height, x + half_width, y + half_height),
                     .score = best[i],
                     .label = label[i]});
    }
    return Finish(all, true);
  }
};

class RtDetrHead final : public Head {
 public:
  explicit RtDetrHead(const Options& options)
      : Head(options, {.fit = Fit::kStretch, .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F}}) {}

  absl::StatusOr<std::vector<Detection>> Decode(std::span<const Tensor> outputs,
                                                const Affine& to_picture) const override {
    std::vector<Detection> all;
    // Of the export with two outputs, logits and boxes, the boxes may come first.
    const bool apart = outputs.size() >= 2 && IsFloat(outputs[0], 3) && IsFloat(outputs[1], 3) &&
                       outputs[0].shape()[1] == outputs[1].shape()[1];
    if (apart && HasClasses(outputs[0].shape()[2]) && outputs[1].shape()[2] == 4) {
      AddQueries(outputs[1].values<float>(), 4, outputs[0].values<float>(), true, to_picture, &all);
    } else if (apart && HasClasses(outputs[1].shape()[2]) && outputs[0].shape()[2] == 4) {
      AddQueries(outputs[0].values<float>(), 4, outputs[1].values<float>(), true, to_picture, &all);
    } else if (!outputs.empty() && IsPicked(outputs[0])) {
      AddPicked(outputs[0].values<float>(), to_picture, &all);
    } else if (!outputs.empty() && IsFloat(outputs[0], 3) && HasClasses(outputs[0].shape()[2] - 4)) {
      const std::span<const float> values = outputs[0].values<float>();
      AddQueries(values, static_cast<size_t>(outputs[0].shape()[2]), values.subspan(std::min<size_t>(4, values.size())),
                 false, to_picture, &all);
    } else {
      return WrongOutputs("rtdetr", outputs);
    }
    return Finish(all, false);
  }

 private:
  // Centre, size, score, class.
  static constexpr size_t kPicked = 6;

  bool HasClasses(int64_t count) const { return options_.class_count > 0 ? count == options_.class_count : count > 0; }

  // The export with the best classes picked: box, score, class. Of two classes' scores not all are whole numbers.
  bool IsPicked(const Tensor& output) const {
    if (!IsFloat(output, 3) || output.shape()[2] != kPicked) return false;
    const std::span<const float> values = output.values<float>();
    for (size_t at = kPicked - 1; at < values.size(); at += kPicked) {
      if (values[at] < 0 || values[at] != std::floor(values[at])) return false;
      if (options_.class_count > 0 && values[at] >= static_cast<float>(options_.class_count)) return false;
    }
    return true;
  }

  void AddPicked(std::span<const float> values, const Affine& to_picture, std::vector<Detection>* all) const {
    for (size_t at = 0; at + kPicked <= values.size(); at += kPicked) {
      const float* const row = values.data() + at;
      if (row[4] >= options_.min_score) all->push_back(Placed(row, row[4], std::lround(row[5]), to_picture));
    }
  }

  // Boxes stand `stride` values apart, and so do scores where both come in one tensor.
  void AddQueries(std::span<const float> boxes, size_t stride, std::span<const float> scores, bool logits,
                  const Affine& to_picture, std::vector<Detection>* all) const {
    const size_t count = boxes.size() / stride;
    if (count == 0) return;
    const size_t classes = logits ? scores.size() / count : stride - 4, score_stride = logits ? classes : stride;
    for (size_t i = 0; i < count; ++i) {
      const float* const first = scores.data() + i * score_stride;
      const float* const best = std::max_element(first, first + classes);
      const float score = logits ? 1 / (1 + std::exp(-*best)) : *best;
      if (score < options_.min_score) continue;
      all->push_back(Placed(boxes.data() + i * stride, score, best - first, to_picture));
    }
  }

  // `box`: centre and size as fractions of the input.
  Detection Placed(const float* box, float score, int64_t label, const Affine& to_picture) const {
    const auto width_px = static_cast<float>(options_.width_px), height_px = static_cast<float>(options_.height_px);
    return {.box = FromCorners(to_picture, (box[0] - box[2] / 2) * width_px, (box[1] - box[3] / 2) * height_px,
                               (box[0] + box[2] / 2) * width_px, (box[1] + box[3] / 2) * height_px),
            .score = score,
            .label = static_cast<int>(label)};
  }
};

// Expects the converted graph: class probabilities of strides 8, 16 and 32, then distributions of the same.
class NanoDetHead final : public Head {
 public:
  explicit NanoDetHead(const Options& options)
      : Head(options, {.fit = Fit::kStretch,
                       .mean = {123.675F, 116.28F, 103.53F},
                       .scale = {1 / 58.395F, 1 / 57.12F, 1 / 57.375F},
                       .bgr = true}) {}

  absl::StatusOr<std::vector<Detection>> Decode(std::span<const Tensor> outputs,
                                                const Affine& to_picture) const override {
    if (outputs.size() != 2 * kStrides.size()) return WrongOutputs("nanodet", outputs);
    std::vector<Detection> all;
    for (size_t level = 0; level < kStrides.size(); ++level) {
      const Tensor &scores = outputs[level], &bins = outputs[level + kStrides.size()];
      const int columns = (options_.width_px + kStrides[level] - 1) / kStrides[level];
      const int rows = (options_.height_px + kStrides[level] - 1) / kStrides[level];
      if (!IsFloat(scores, 3) || !IsFloat(bins, 3) || scores.shape()[1] != int64_t{columns} * rows ||
          bins.shape() != Shape{1, scores.shape()[1], 4 * kBins} ||
          (options_.class_count > 0 && scores.shape()[2] != options_.class_count)) {
        return WrongOutputs("nanodet", outputs);
      }
      AddLevel(scores, bins, columns, kStrides[level], to_picture, &all);
    }
    return Finish(all, true);
  }

 private:
  static constexpr std::array<int, 3> kStrides = {8, 16, 32};
  // A side's distance is the mean of a distribution over 0 to 10 strides.
  static constexpr int kBins = 11;

  static float Distance(const float* bins, int stride) {
    const float largest = *std::max_element(bins, bins + kBins);
    float sum = 0, weighted = 0;
    for (int i = 0; i < kBins; ++i) {
      const float weight = std::exp(bins[i] - largest);
      sum += weight;
      weighted += weight * static_cast<float>(i);
    }
    return weighted / sum * static_cast<float>(stride);
  }

  void AddLevel(const Tensor& scores, const Tensor& bins, int columns, int stride, const Affine& to_picture,
                std::vector<Detection>* all) const {
    const auto classes = static_cast<size_t>(scores.shape()[2]);
    const float* score = scores.values<float>().data();
    const float* bin = bins.values<float>().data();
    for (int cell = 0; cell < scores.shape()[1]; ++cell, score += classes, bin += 4 * kBins) {
      const float* const best = std::max_element(score, score + classes);
      if (*best < options_.min_score) continue;
      const auto x = (static_cast<float>(cell % columns) + 0.5F) * static_cast<float>(stride);
      const auto y = (static_cast<float>(cell / columns) + 0.5F) * static_cast<float>(stride);
      // The published code cuts them before NMS.
      const Box box = FromCorners(to_picture, x - Distance(bin, stride), y - Distance(bin + kBins, stride),
                                  x + Distance(bin + 2 * kBins, stride), y + Distance(bin + 3 * kBins, stride));
      all->push_back({.box = inference::ClampToUnit(box), .score = *best, .label = static_cast<int>(best - score)});
    }
  }
};

// Expects the converted graph, which picks the peaks itself.
class CenterNetHead final : public Head {
 public:
  explicit CenterNetHead(const Options& options) : Head(options, {.fit = Fit::kStretch}) {}

  absl::StatusOr<std::vector<Detection>> Decode(std::span<const Tensor> outputs,
                                                const Affine& to_picture) const override {
    if (outputs.size() != 1 || !IsFloat(outputs[0], 3) || outputs[0].shape()[2] != kColumns) {
      return WrongOutputs("centernet", outputs);
    }
    const std::span<const float> values = outputs[0].values<float>();
    std::vector<Detection> all;
    for (size_t at = 0; at + kColumns <= values.size(); at += kColumns) {
      const float* const row = values.data() + at;
      if (row[4] < options_.min_score) continue;
      all.push_back({.box = FromCorners(to_picture, row[0], row[1], row[2], row[3]),
                     .score = row[4],
                     .label = static_cast<int>(std::lround(row[5]))});
    }
    return Finish(all, true);
  }

 private:
  // Left, top, right, bottom in input pixels, score, class.
  static constexpr int kColumns = 6;
};

using Maker = std::function<std::unique_ptr<DetectorHead>(const DetectorHead::Options&)>;

template <typename T>
std::unique_ptr<DetectorHead> Make(const DetectorHead::Options& options) {
  return std::make_unique<T>(options);
}

const std::map<std::string, Maker>& Makers() {
  static const auto& makers =
      *new std::map<std::string, Maker>{{"centernet", Make<CenterNetHead>}, {"nanodet", Make<NanoDetHead>},
                                        {"rtdetr", Make<RtDetrHead>},       {"ssd", Make<SsdHead>},
                                        {"ssd_tf", Make<SsdTfHead>},        {"yolov8_detect", Make<YoloV8Head>}};
  return makers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DetectorHead>> MakeDetectorHead(const std::string& family,
                                                               const DetectorHead::Options& options) {
  const auto it = Makers().find(family);
  if (it == Makers().end()) {
    return InvalidField(
        "model",
        absl::StrCat("no detector family ", family, "; there are ",
                     absl::StrJoin(Makers(), ", ", [](std::string* out, const auto& maker) { *out += maker.first; })));
  }
  return it->second(options);
}

}  // namespace reelsight::object_detection
