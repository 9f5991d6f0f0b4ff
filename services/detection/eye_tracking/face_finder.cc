// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/face_finder.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <numeric>
#include <utility>

#include "shared/base/status.h"

namespace reelsight::eye_tracking {
namespace {

using analysis::Image;
using inference::Box;
using inference::ImageTensorOptions;
using inference::Sample;

// Samples that wait for a network at once: bounds the memory of a batch full of faces.
constexpr size_t kChunk = 64;
// Neighbouring squares share a quarter of their side, so that a face small enough to need them is whole in one.
constexpr double kTileStep = 0.75;
constexpr int kMaxTiles = 8;
constexpr double kLeastTiledAspect = 1.2;
// Finds whose boxes overlap by more of the smaller one are one face ...
constexpr float kMaxOverlap = 0.5F;
// ... and the strongest few of them are shown to the mesh, which decides.
constexpr int kFindsPerFace = 2;
// MediaPipe: the threshold of the face flag.
constexpr float kMinPresence = 0.5F;
// A find without a face flag is a face only if its detector is surer than this.
constexpr float kSureScore = 0.75F;
// The mesh looks again, by its own first answer, where it was shown a face so far from upright, or was in doubt: the
// detectors' eyes are rough on heads that lie or look away. As often as this at most.
constexpr double kMaxTiltRadians = 5 * std::numbers::pi / 180;
constexpr float kDoubtfulPresence = 0.1F, kSurePresence = 0.95F;
constexpr int kMaxLooks = 6;
// Beyond these turns of the head nothing is said of it, of the nearer eye and of the farther eye.
constexpr double kMaxHeadYawDegrees = 75;
constexpr double kMaxNearEyeYawDegrees = 60;
constexpr double kMaxFarEyeYawDegrees = 35;

ImageTensorOptions DetectorInput(int input_px) {
  constexpr float kHalf = 127.5F;
  return {.width_px = input_px,
          .height_px = input_px,
          .mean = {kHalf, kHalf, kHalf},
          .scale = {1 / kHalf, 1 / kHalf, 1 / kHalf},
          .fill = 0};
}

ImageTensorOptions UnitInput(int input_px) {
  constexpr float kUnit = 1.0F / 255;
  return {.width_px = input_px, .height_px = input_px, .scale = {kUnit, kUnit, kUnit}, .repeat_edges = true};
}

Region WholePicture(analysis::ImageSize size) {
  return {.center = {0.5 * size.width_px, 0.5 * size.height_px},
          .side_px = static_cast<double>(std::max(size.width_px, size.height_px))};
}

// True if a side of the square that lies within the picture cuts the face.
bool IsCut(const Box& box, const Region& tile, analysis::ImageSize size) {
  const double half = 0.5 * tile.side_px;
  const double left = tile.center.x - half, top = tile.center.y - half;
  const double right = tile.center.x + half, bottom = tile.center.y + half;
  return (box.left < left && left > 0.5) || (box.top < top && top > 0.5) ||
         (box.right > right && right < size.width_px - 0.5) || (box.bottom > bottom && bottom < size.height_px - 0.5);
}

// The eye's width in the picture, as it would be if the head faced the camera.
double FrontalEyeWidthPx(const FaceMesh& mesh, bool left, const HeadPose& pose) {
  const Point3& outer = mesh.points[left ? kLeftEyeOuter : kRightEyeOuter];
  const Point3& inner = mesh.points[left ? kLeftEyeInner : kRightEyeInner];
  const double foreshortening = std::hypot(pose.axes[0][0], pose.axes[0][1]);
  return std::hypot(outer.x - inner.x, outer.y - inner.y) / std::max(foreshortening, 0.5);
}

bool CanSeeEye(const FoundFace& face, bool left) {
  if (!face.pose) return false;
  const double yaw = face.pose->yaw_degrees();
  // A head that turns to the right edge of the picture shows the person's right eye.
  const bool nearer = left ? yaw < 0 : yaw > 0;
  return std::abs(yaw) <= (nearer ? kMaxNearEyeYawDegrees : kMaxFarEyeYawDegrees) &&
         FrontalEyeWidthPx(*face.mesh, left, *face.pose) >= kMinEyeWidthPx;
}

bool ShouldLookAgain(const FaceMesh& mesh, const Region& region) {
  if (mesh.presence < kDoubtfulPresence) return false;
  const double tilt = std::remainder(MeshRegion(mesh).angle_radians - region.angle_radians, 2 * std::numbers::pi);
  return mesh.presence < kSurePresence || std::abs(tilt) > kMaxTiltRadians;
}

// One find of each face, one with a mesh if there is one: the largest faces, largest first.
std::vector<FoundFace> LargestOf(std::vector<FoundFace> finds) {
  std::stable_sort(finds.begin(), finds.end(), [](const FoundFace& left, const FoundFace& right) {
    return std::pair(left.mesh.has_value(), left.score) > std::pair(right.mesh.has_value(), right.score);
  });
  std::vector<FoundFace> faces;
  for (FoundFace& find : finds) {
    const bool repeated = std::any_of(faces.begin(), faces.end(),
                                      [&](const FoundFace& face) { return Overlap(find.box, face.box) > kMaxOverlap; });
    if (!repeated) faces.push_back(std::move(find));
  }
  std::stable_sort(faces.begin(), faces.end(),
                   [](const FoundFace& left, const FoundFace& right) { return left.box.area() > right.box.area(); });
  if (faces.size() > kMaxFaces) faces.resize(kMaxFaces);
  return faces;
}

}  // namespace

std::vector<Region> DetectionTiles(analysis::ImageSize size) {
  const double side = std::min(size.width_px, size.height_px);
  const double length = std::max(size.width_px, size.height_px);
  std::vector<Region> tiles;
  if (length < side * kLeastTiledAspect) return tiles;
  const int count = std::min(static_cast<int>(std::ceil((length - side) / (side * kTileStep))) + 1, kMaxTiles);
  for (int i = 0; i < count; ++i) {
    const double along = 0.5 * side + (length - side) * i / (count - 1);
    const bool wide = size.width_px > size.height_px;
    tiles.push_back({.center = wide ? Point{along, 0.5 * side} : Point{0.5 * side, along}, .side_px = side});
  }
  return tiles;
}

absl::StatusOr<FaceFinder> FaceFinder::Create(FaceModels models, Options options) {
  ASSIGN_OR_RETURN(FaceDetectorHead short_range, FaceDetectorHead::ForFamily(models.short_range->entry().family()));
  ASSIGN_OR_RETURN(FaceDetectorHead full_range, FaceDetectorHead::ForFamily(models.full_range->entry().family()));
  return FaceFinder(std::move(models), std::move(options), std::move(short_range), std::move(full_range));
}

absl::StatusOr<std::vector<Sample>> FaceFinder::Look(const inference::Model& model, ImageTensorOptions input,
                                                     std::span<const Image* const> pictures,
                                                     std::span<const View> views, const CancelToken& cancel) const {
  // The published .tflite files take channels last, their ONNX forms first.
  const inference::Shape& shape = model.inputs()[0].shape;
  input.layout = shape.size() == 4 && shape[1] == 3 ? inference::Layout::kNchw : inference::Layout::kNhwc;
  std::vector<Sample> outputs;
  for (size_t begin = 0; begin < views.size(); begin += kChunk) {
    RETURN_IF_ERROR(cancel.status());
    std::vector<Sample> samples;
    for (const View& view : views.subspan(begin, std::min(kChunk, views.size() - begin))) {
      ASSIGN_OR_RETURN(inference::PlacedTensor placed,
                       inference::WarpToTensor(*pictures[view.picture], view.region.ToPicture(input.width_px), input));
      samples.push_back({std::move(placed.tensor)});
    }
    ASSIGN_OR_RETURN(std::vector<Sample> part, model.Run(options_.client, std::move(samples), cancel));
    std::move(part.begin(), part.end(), std::back_inserter(outputs));
  }
  return outputs;
}

absl::Status FaceFinder::Detect(const inference::Model& model, const FaceDetectorHead& head,
                                std::span<const Image* const> pictures, std::span<const View> views,
                                const CancelToken& cancel, std::vector<std::vector<DetectedFace>>& found) const {
  ASSIGN_OR_RETURN(const std::vector<Sample> outputs,
                   Look(model, DetectorInput(head.input_px()), pictures, views, cancel));
  for (size_t i = 0; i < views.size(); ++i) {
    ASSIGN_OR_RETURN(const std::vector<DetectedFace> faces,
                     head.Decode(outputs[i], views[i].region, options_.min_score));
    for (const DetectedFace& face : faces) {
      if (face.box.area() <= 0 || IsCut(face.box, views[i].region, pictures[views[i].picture]->size())) continue;
      found[views[i].picture].push_back(face);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FaceMesh>> FaceFinder::Meshes(std::span<const Image* const> pictures,
                                                         std::vector<View> views, const CancelToken& cancel) const {
  std::vector<FaceMesh> meshes(views.size());
  std::vector<size_t> places(views.size());
  std::iota(places.begin(), places.end(), size_t{0});
  for (int look = 0; look < kMaxLooks && !views.empty(); ++look) {
    ASSIGN_OR_RETURN(const std::vector<Sample> outputs,
                     Look(*models_.mesh, UnitInput(kMeshInputPx), pictures, views, cancel));
    std::vector<View> again;
    std::vector<size_t> again_places;
    for (size_t i = 0; i < views.size(); ++i) {
      ASSIGN_OR_RETURN(FaceMesh mesh, DecodeMesh(outputs[i], views[i].region));
      if (ShouldLookAgain(mesh, views[i].region)) {
        again.push_back({views[i].picture, MeshRegion(mesh)});
        again_places.push_back(places[i]);
      }
      // A further look counts if it is no less sure, or sure anyway.
      FaceMesh& kept = meshes[places[i]];
      if (mesh.presence >= std::min(kept.presence, kSurePresence)) kept = std::move(mesh);
    }
    views = std::move(again);
    places = std::move(again_places);
  }
  return meshes;
}

absl::StatusOr<std::vector<std::vector<FoundFace>>> FaceFinder::AddMeshes(
    std::span<const Image* const> pictures, const std::vector<std::vector<DetectedFace>>& found,
    const CancelToken& cancel) const {
  std::vector<View> views;
  for (size_t i = 0; i < found.size(); ++i) {
    for (const DetectedFace& face : found[i]) {
      if (face.box.width() >= kMinMeshWidthPx) views.push_back({static_cast<int>(i), MeshRegion(face)});
    }
  }
  ASSIGN_OR_RETURN(std::vector<FaceMesh> meshes, Meshes(pictures, std::move(views), cancel));
  std::vector<std::vector<FoundFace>> faces(found.size());
  size_t next = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    for (const DetectedFace& detected : found[i]) {
      FoundFace face = {
          .box = detected.box, .score = detected.score, .mesh = {}, .pose = {}, .left_eye = {}, .right_eye = {}};
      if (detected.box.width() >= kMinMeshWidthPx) {
        FaceMesh& mesh = meshes[next++];
        if (mesh.presence >= kMinPresence) {
          face.box = mesh.Bounds();
          face.pose = FitHeadPose(mesh);
          if (face.pose && std::abs(face.pose->yaw_degrees()) > kMaxHeadYawDegrees) face.pose.reset();
          face.mesh = std::move(mesh);
        }
      }
      if (face.mesh || face.score >= kSureScore) faces[i].push_back(std::move(face));
    }
    faces[i] = LargestOf(std::move(faces[i]));
  }
  return faces;
}

absl::Status FaceFinder::AddEyes(std::span<const Image* const> pictures, std::vector<std::vector<FoundFace>>& faces,
                                 const CancelToken& cancel) const {
  std::vector<View> views;
  std::vector<std::optional<Eye>*> eyes;
  for (size_t i = 0; i < faces.size(); ++i) {
    for (FoundFace& face : faces[i]) {
      for (const bool left : {true, false}) {
        if (!CanSeeEye(face, left)) continue;
        views.push_back({static_cast<int>(i), EyeRegion(*face.mesh, left)});
        eyes.push_back(left ? &face.left_eye : &face.right_eye);
      }
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Sample> outputs,
                   Look(*models_.iris, UnitInput(kIrisInputPx), pictures, views, cancel));
  for (size_t i = 0; i < views.size(); ++i) {
    ASSIGN_OR_RETURN(*eyes[i], DecodeEye(outputs[i], views[i].region));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::vector<FoundFace>>> FaceFinder::Find(std::span<const Image* const> pictures,
                                                                     const CancelToken& cancel) const {
  // What the short-range and the full-range detector look at.
  std::vector<View> near, far;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const View whole = {static_cast<int>(i), WholePicture(pictures[i]->size())};
    const std::vector<Region> tiles = DetectionTiles(pictures[i]->size());
    near.push_back(whole);
    if (tiles.empty()) far.push_back(whole);
    for (const Region& tile : tiles) {
      near.push_back({static_cast<int>(i), tile});
      far.push_back({static_cast<int>(i), tile});
    }
  }
  std::vector<std::vector<DetectedFace>> found(pictures.size());
  RETURN_IF_ERROR(Detect(*models_.short_range, short_range_, pictures, near, cancel, found));
  RETURN_IF_ERROR(Detect(*models_.full_range, full_range_, pictures, far, cancel, found));
  for (std::vector<DetectedFace>& faces : found) {
    faces = DropRepeats(std::move(faces), kMaxOverlap, kFindsPerFace);
    std::stable_sort(faces.begin(), faces.end(), [](const DetectedFace& left, const DetectedFace& right) {
      return left.box.area() > right.box.area();
    });
    if (faces.size() > kMaxFaces * kFindsPerFace) faces.resize(kMaxFaces * kFindsPerFace);
  }
  ASSIGN_OR_RETURN(std::vector<std::vector<FoundFace>> faces, AddMeshes(pictures, found, cancel));
  RETURN_IF_ERROR(AddEyes(pictures, faces, cancel));
  return faces;
}

}  // namespace reelsight::eye_tracking
