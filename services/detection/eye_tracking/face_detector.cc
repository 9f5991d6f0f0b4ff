// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/face_detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::eye_tracking {
namespace {

using inference::Affine;
using inference::Box;

// Left, top, width, height, then the key points.
constexpr int kBoxValues = 4;
constexpr int kValues = kBoxValues + 2 * DetectedFace::kKeypoints;
// MediaPipe: score_clipping_thresh.
constexpr float kLogitLimit = 100;
// MediaPipe: min_suppression_threshold.
constexpr float kJoinIou = 0.3F;

// A grid of cells with some anchors in the centre of each.
struct AnchorGrid {
  int stride_px;
  int anchors_per_cell;
};

std::vector<Point> MakeAnchors(int input_px, std::initializer_list<AnchorGrid> grids) {
  std::vector<Point> anchors;
  for (const AnchorGrid& grid : grids) {
    const int cells = input_px / grid.stride_px;
    for (int i = 0; i < cells * cells; ++i) {
      anchors.insert(anchors.end(), static_cast<size_t>(grid.anchors_per_cell),
                     {(i % cells + 0.5) / cells, (i / cells + 0.5) / cells});
    }
  }
  return anchors;
}

// The axis-aligned box of `box`'s corners where `affine` puts them.
Box Place(const Affine& affine, double left, double top, double right, double bottom) {
  Box placed = {1e9F, 1e9F, -1e9F, -1e9F};
  for (const auto& [x, y] : {Point{left, top}, Point{right, top}, Point{left, bottom}, Point{right, bottom}}) {
    Point corner;
    affine.Apply(x, y, &corner.x, &corner.y);
    placed.left = std::min(placed.left, static_cast<float>(corner.x));
    placed.top = std::min(placed.top, static_cast<float>(corner.y));
    placed.right = std::max(placed.right, static_cast<float>(corner.x));
    placed.bottom = std::max(placed.bottom, static_cast<float>(corner.y));
  }
  return placed;
}

void SortByScore(std::vector<DetectedFace>& faces) {
  std::stable_sort(faces.begin(), faces.end(),
                   [](const DetectedFace& left, const DetectedFace& right) { return left.score > right.score; });
}

// Mean place, weighted by score, with the score of the first.
DetectedFace Mean(const std::vector<DetectedFace>& group) {
  DetectedFace mean;
  mean.score = group[0].score;
  double total = 0;
  double sides[4] = {};
  for (const DetectedFace& face : group) {
    total += face.score;
    const float values[4] = {face.box.left, face.box.top, face.box.right, face.box.bottom};
    for (int i = 0; i < 4; ++i) sides[i] += static_cast<double>(face.score) * values[i];
    for (int i = 0; i < DetectedFace::kKeypoints; ++i) {
      mean.keypoints[i].x += face.score * face.keypoints[i].x;
      mean.keypoints[i].y += face.score * face.keypoints[i].y;
    }
  }
  for (double& side : sides) side /= total;
  mean.box = {static_cast<float>(sides[0]), static_cast<float>(sides[1]), static_cast<float>(sides[2]),
              static_cast<float>(sides[3])};
  for (Point& point : mean.keypoints) point = {point.x / total, point.y / total};
  return mean;
}

}  // namespace

absl::StatusOr<FaceDetectorHead> FaceDetectorHead::ForFamily(const std::string& family) {
  if (family == "blazeface_short_range") return FaceDetectorHead(128, MakeAnchors(128, {{8, 2}, {16, 6}}));
  if (family == "blazeface_full_range") return FaceDetectorHead(192, MakeAnchors(192, {{4, 1}}));
  return absl::InvalidArgumentError(
      absl::StrCat("`", family, "` is no family of face detectors: blazeface_short_range, blazeface_full_range"));
}

absl::StatusOr<std::vector<DetectedFace>> FaceDetectorHead::Decode(std::span<const inference::Tensor> outputs,
                                                                   const Region& region, float min_score) const {
  const inference::Tensor* offsets = nullptr;
  const inference::Tensor* logits = nullptr;
  const auto count = static_cast<int64_t>(anchors_.size());
  for (const inference::Tensor& output : outputs) {
    if (output.type() != inference::DType::kFloat32) continue;
    if (output.shape() == inference::Shape{1, count, kValues}) offsets = &output;
    if (output.shape() == inference::Shape{1, count, 1}) logits = &output;
  }
  if (offsets == nullptr || logits == nullptr) {
    std::string shapes;
    for (const inference::Tensor& output : outputs) absl::StrAppend(&shapes, " ", inference::ShapeText(output.shape()));
    return MakeError(absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
                     absl::StrCat("a face detector gave outputs of shape", shapes, " instead of [1, ", count, ", ",
                                  kValues, "] and [1, ", count, ", 1]"));
  }
  const Affine to_picture = region.ToPicture(input_px_);
  std::vector<DetectedFace> faces;
  for (int64_t i = 0; i < count; ++i) {
    const float logit = std::clamp(logits->values<float>()[i], -kLogitLimit, kLogitLimit);
    const float score = 1 / (1 + std::exp(-logit));
    if (!(score >= min_score)) continue;
    const std::span<const float> values = offsets->values<float>().subspan(i * kValues, kValues);
    const Point anchor = {anchors_[i].x * input_px_, anchors_[i].y * input_px_};
    const double x = anchor.x + values[0], y = anchor.y + values[1];
    const double half_width = 0.5 * std::max(values[2], 0.0F), half_height = 0.5 * std::max(values[3], 0.0F);
    DetectedFace face;
    face.score = score;
    face.box = Place(to_picture, x - half_width, y - half_height, x + half_width, y + half_height);
    for (int k = 0; k < DetectedFace::kKeypoints; ++k) {
      to_picture.Apply(anchor.x + values[kBoxValues + 2 * k], anchor.y + values[kBoxValues + 2 * k + 1],
                       &face.keypoints[k].x, &face.keypoints[k].y);
    }
    faces.push_back(face);
  }
  return JoinFaces(std::move(faces), kJoinIou);
}

std::vector<DetectedFace> JoinFaces(std::vector<DetectedFace> faces, float min_iou) {
  SortByScore(faces);
  std::vector<DetectedFace> joined;
  while (!faces.empty()) {
    std::vector<DetectedFace> group = {faces[0]}, rest;
    for (size_t i = 1; i < faces.size(); ++i) {
      (inference::IoU(faces[i].box, faces[0].box) > min_iou ? group : rest).push_back(faces[i]);
    }
    joined.push_back(Mean(group));
    faces = std::move(rest);
  }
  return joined;
}

float Overlap(const Box& a, const Box& b) {
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float smaller = std::min(a.area(), b.area());
  return width <= 0 || height <= 0 || smaller <= 0 ? 0 : width * height / smaller;
}

std::vector<DetectedFace> DropRepeats(std::vector<DetectedFace> faces, float max_overlap, int max_finds) {
  SortByScore(faces);
  std::vector<DetectedFace> kept;
  for (const DetectedFace& face : faces) {
    const auto stronger = std::count_if(kept.begin(), kept.end(), [&](const DetectedFace& other) {
      return Overlap(face.box, other.box) > max_overlap;
    });
    if (stronger < max_finds) kept.push_back(face);
  }
  return kept;
}

}  // namespace reelsight::eye_tracking
