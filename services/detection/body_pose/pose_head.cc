// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/pose_head.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/base/status.h"

namespace reelsight::body_pose {
namespace {

using inference::Affine;
using inference::Detection;
using inference::DType;
using inference::Fit;
using inference::ImageTensorOptions;
using inference::Tensor;

constexpr int64_t kNumbers = 3 * kJointCount + 5;

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

class Head : public PoseHead {
 public:
  Head(const Options& options, const ImageTensorOptions& input) : options_(options), input_(input) {
    input_.width_px = options.width_px;
    input_.height_px = options.height_px;
  }
  const ImageTensorOptions& input() const override { return input_; }

 protected:
  std::vector<Pose> Finish(const std::vector<Pose>& all) const {
    std::vector<Detection> boxes;
    for (const Pose& pose : all) boxes.push_back({.box = pose.box, .score = pose.score});
    std::vector<Pose> kept;
    for (const int index : inference::NonMaximumSuppression(boxes, options_.max_iou, true, options_.max_poses)) {
      Pose pose = all[static_cast<size_t>(index)];
      pose.box = inference::ClampToUnit(pose.box);
      if (pose.box.area() > 0) kept.push_back(pose);
    }
    return kept;
  }

  // From input pixels.
  static Keypoint Place(const Affine& to_picture, double x, double y, float score) {
    double picture_x = 0, picture_y = 0;
    to_picture.Apply(x, y, &picture_x, &picture_y);
    return {static_cast<float>(picture_x), static_cast<float>(picture_y), std::clamp(score, 0.0F, 1.0F)};
  }
  static inference::Box PlaceBox(const Affine& to_picture, double left, double top, double right, double bottom) {
    const Keypoint first = Place(to_picture, left, top, 0), second = Place(to_picture, right, bottom, 0);
    return {std::min(first.x, second.x), std::min(first.y, second.y), std::max(first.x, second.x),
            std::max(first.y, second.y)};
  }

  const Options options_;
  ImageTensorOptions input_;
};

class MoveNetHead final : public Head {
 public:
  // The published code pads the right and the bottom with black.
  explicit MoveNetHead(const Options& options) : Head(options, {.fit = Fit::kLetterboxTopLeft, .fill = 0}) {}

  absl::StatusOr<std::vector<Pose>> Decode(std::span<const Tensor> outputs, const Affine& to_picture) const override {
    if (outputs.size() != 1 || outputs[0].type() != DType::kFloat32 || outputs[0].shape().size() != 3 ||
        outputs[0].shape()[0] != 1 || outputs[0].shape()[2] != kNumbers) {
      return WrongOutputs("movenet_multipose", outputs);
    }
    const std::span<const float> values = outputs[0].values<float>();
    const double width = options_.width_px, height = options_.height_px;
    std::vector<Pose> all;
    for (size_t at = 0; at + kNumbers <= values.size(); at += kNumbers) {
      const float* const row = values.data() + at;
      Pose pose;
      pose.score = row[kNumbers - 1];
      if (pose.score < options_.min_score) continue;
      for (size_t joint = 0; joint < kJointCount; ++joint) {
        pose.keypoints[joint] =
            Place(to_picture, row[3 * joint + 1] * width, row[3 * joint] * height, row[3 * joint + 2]);
      }
      const float* const box = row + 3 * kJointCount;
      pose.box = PlaceBox(to_picture, box[1] * width, box[0] * height, box[3] * width, box[2] * height);
      all.push_back(pose);
    }
    return Finish(all);
  }
};

class YoloV8PoseHead final : public Head {
 public:
  explicit YoloV8PoseHead(const Options& options)
      : Head(options, {.fit = Fit::kLetterboxCentered, .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F}}) {}

  absl::StatusOr<std::vector<Pose>> Decode(std::span<const Tensor> outputs, const Affine& to_picture) const override {
    if (outputs.empty() || outputs[0].type() != DType::kFloat32 || outputs[0].shape().size() != 3 ||
        outputs[0].shape()[0] != 1 || outputs[0].shape()[1] != kNumbers) {
      return WrongOutputs("yolov8_pose", outputs);
    }
    const auto count = static_cast<size_t>(outputs[0].shape()[2]);
    const float* const values = outputs[0].values<float>().data();
    const auto at = [&](size_t number, size_t index) { return values[number * count + index]; };
    std::vector<Pose> all;
    for (size_t i = 0; i < count; ++i) {
      if (at(4, i) < options_.min_score) continue;
      Pose pose;
      pose.score = at(4, i);
      const float half_width = at(2, i) / 2, half_height = at(3, i) / 2;
      pose.box = PlaceBox(to_picture, at(0, i) - half_width, at(1, i) - half_height, at(0, i) + half_width,
                          at(1, i) + half_height);
      for (size_t joint = 0; joint < kJointCount; ++joint) {
        pose.keypoints[joint] = Place(to_picture, at(5 + 3 * joint, i), at(6 + 3 * joint, i), at(7 + 3 * joint, i));
      }
      all.push_back(pose);
    }
    return Finish(all);
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<PoseHead>> MakePoseHead(const std::string& family, const PoseHead::Options& options) {
  if (family == "movenet_multipose") return std::unique_ptr<PoseHead>(std::make_unique<MoveNetHead>(options));
  if (family == "yolov8_pose") return std::unique_ptr<PoseHead>(std::make_unique<YoloV8PoseHead>(options));
  return InvalidField("model", absl::StrCat("no pose family ", family, "; there are movenet_multipose, yolov8_pose"));
}

}  // namespace reelsight::body_pose
