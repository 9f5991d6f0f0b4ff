// SPDX-License-Identifier: Apache-2.0
//
// Faces in pictures, each by itself: detectors, then the mesh, then the eyes. Not a tracker.
//
// The short-range detector looks at the whole picture and at squares as high as its short side: it finds faces from a
// fifth of what it sees on, in any turn. The full-range one looks at the squares, or at the whole picture if that is
// nearly square, and finds smaller ones. The strongest finds of each face are shown to the mesh. Where it sees no face,
// a strong find stays a face without angles (a profile, a small face), and a weak one goes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/eye_tracking/face_detector.h"
#include "services/detection/eye_tracking/face_mesh.h"
#include "services/detection/eye_tracking/head_pose.h"
#include "shared/analysis/image.h"
#include "shared/base/cancel_token.h"
#include "shared/inference/model_source.h"

namespace reelsight::eye_tracking {

// Most faces that one picture gives: the largest. It bounds the work for a picture of a crowd.
inline constexpr int kMaxFaces = 32;
// A face whose box is narrower is found, but gets no mesh: at 16 px the mesh is off by over 2% of the face's width, and
// its presence score fails.
inline constexpr double kMinMeshWidthPx = 24;
// An eye whose corners are closer than this gets no iris: at 6 px the iris is off by 5% of the eye, 8 degrees.
inline constexpr double kMinEyeWidthPx = 8;

// Places in pixels of the picture.
struct FoundFace {
  // That of the mesh where there is one, else the detector's.
  inference::Box box;
  float score = 0;
  std::optional<FaceMesh> mesh;
  std::optional<HeadPose> pose;
  // The person's own eyes, where they can be seen.
  std::optional<Eye> left_eye;
  std::optional<Eye> right_eye;
};

// The four networks; all must be loaded.
struct FaceModels {
  inference::PinnedModel short_range;
  inference::PinnedModel full_range;
  inference::PinnedModel mesh;
  inference::PinnedModel iris;
};

// Thread-safe as its models are.
class FaceFinder {
 public:
  struct Options {
    // Least score of a face, in [0, 1].
    float min_score = 0.5F;
    // Names the run, see Model::Run.
    std::string client;
  };

  // INVALID_ARGUMENT if a detector is of an unknown family.
  static absl::StatusOr<FaceFinder> Create(FaceModels models, Options options);

  // Faces of each of `pictures` (RGB24), largest first. Errors are those of the models, and INVALID_ARGUMENT for
  // another layout.
  absl::StatusOr<std::vector<std::vector<FoundFace>>> Find(std::span<const analysis::Image* const> pictures,
                                                           const CancelToken& cancel) const;

 private:
  // What a network is to look at.
  struct View {
    int picture = 0;
    Region region;
  };

  FaceFinder(FaceModels models, Options options, FaceDetectorHead short_range, FaceDetectorHead full_range)
      : models_(std::move(models)),
        options_(std::move(options)),
        short_range_(std::move(short_range)),
        full_range_(std::move(full_range)) {}

  absl::StatusOr<std::vector<inference::Sample>> Look(const inference::Model& model,
                                                      inference::ImageTensorOptions input,
                                                      std::span<const analysis::Image* const> pictures,
                                                      std::span<const View> views, const CancelToken& cancel) const;
  absl::Status Detect(const inference::Model& model, const FaceDetectorHead& head,
                      std::span<const analysis::Image* const> pictures, std::span<const View> views,
                      const CancelToken& cancel, std::vector<std::vector<DetectedFace>>& found) const;
  absl::StatusOr<std::vector<FaceMesh>> Meshes(std::span<const analysis::Image* const> pictures,
                                               std::vector<View> views, const CancelToken& cancel) const;
  absl::StatusOr<std::vector<std::vector<FoundFace>>> AddMeshes(std::span<const analysis::Image* const> pictures,
                                                                const std::vector<std::vector<DetectedFace>>& found,
                                                                const CancelToken& cancel) const;
  absl::Status AddEyes(std::span<const analysis::Image* const> pictures, std::vector<std::vector<FoundFace>>& faces,
                       const CancelToken& cancel) const;

  FaceModels models_;
  Options options_;
  FaceDetectorHead short_range_;
  FaceDetectorHead full_range_;
};

// Squares that the detectors look at beside the whole picture; none where the picture is nearly square.
std::vector<Region> DetectionTiles(analysis::ImageSize size);

}  // namespace reelsight::eye_tracking
