// SPDX-License-Identifier: Apache-2.0
//
// What MediaPipe's two face detectors (BlazeFace, short and full range) put out, made into faces. Not a network and not
// a tracker: networks run elsewhere, see face_finder.h.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/eye_tracking/region.h"
#include "shared/inference/boxes.h"
#include "shared/inference/tensor.h"

namespace reelsight::eye_tracking {

// Places in pixels of the picture. The person's right eye is the one on the left of an unmirrored picture.
struct DetectedFace {
  enum Keypoint { kRightEye, kLeftEye, kNoseTip, kMouth, kRightEar, kLeftEar, kKeypoints };
  inference::Box box;
  float score = 0;
  std::array<Point, kKeypoints> keypoints;
};

// Decodes one family of detectors. Immutable, so thread-safe.
//
// Anchors, decoding and thresholds are those of MediaPipe's graphs face_detection_short_range and
// face_detection_full_range: one anchor size, centres at cell centres, offsets in input pixels, scores through a
// logistic function, boxes and key points of overlapping detections averaged with their scores as weights
// [Bazarevsky et al., BlazeFace, 2019].
class FaceDetectorHead {
 public:
  // `blazeface_short_range` (input 128 x 128) or `blazeface_full_range` (192 x 192); else INVALID_ARGUMENT.
  static absl::StatusOr<FaceDetectorHead> ForFamily(const std::string& family);

  // Side of the square input in pixels. It takes values in [-1, 1].
  int input_px() const { return input_px_; }

  // Faces of one sample whose pixels lie where `region` says, strongest first, overlapping ones already joined.
  // `outputs`: box and key point offsets f32 [1, anchors, 16] and score logits f32 [1, anchors, 1], in any order.
  // INTERNAL, INVALID_MODEL_OUTPUT, naming the shapes, if they are not.
  absl::StatusOr<std::vector<DetectedFace>> Decode(std::span<const inference::Tensor> outputs, const Region& region,
                                                   float min_score) const;

 private:
  FaceDetectorHead(int input_px, std::vector<Point> anchors) : input_px_(input_px), anchors_(std::move(anchors)) {}

  int input_px_;
  // Centres as fractions of the input.
  std::vector<Point> anchors_;
};

// Weighted non-maximum suppression: each group of faces that overlap its strongest member by more than `min_iou`
// becomes one face with that member's score and the score-weighted mean of all places. Strongest first.
std::vector<DetectedFace> JoinFaces(std::vector<DetectedFace> faces, float min_iou);

// Share of the smaller box that lies in the other one, in [0, 1].
float Overlap(const inference::Box& a, const inference::Box& b);

// Finds of several detectors, or of one on several parts of a picture: strongest first, without those that overlap
// `max_finds` stronger ones by more than `max_overlap`. Boxes are not averaged, since detectors differ in how much of a
// head they box.
std::vector<DetectedFace> DropRepeats(std::vector<DetectedFace> faces, float max_overlap, int max_finds);

}  // namespace reelsight::eye_tracking
