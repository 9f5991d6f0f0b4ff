// SPDX-License-Identifier: Apache-2.0
//
// How a head is turned, from its mesh. Not a tracker; each mesh stands for itself.
#pragma once

#include <array>
#include <optional>

#include "services/detection/eye_tracking/face_mesh.h"

namespace reelsight::eye_tracking {

// A direction or place in the axes of a camera that looks straight at the head: x to the right edge of the picture, y
// up, z to the camera.
using Vector3 = std::array<double, 3>;

// Yaw grows when something turns to the right edge of the picture, pitch when it turns up.
double YawDegrees(const Vector3& direction);
double PitchDegrees(const Vector3& direction);
// `vector` turned around `axis` of length 1, counterclockwise as seen against the axis.
Vector3 TurnAround(const Vector3& vector, const Vector3& axis, double degrees);

// Turn and size of a head.
struct HeadPose {
  // Columns: the person's left, up, forwards.
  std::array<Vector3, 3> axes;
  // Pixels of the picture that a centimetre of the canonical face takes.
  double px_per_cm = 0;

  double yaw_degrees() const { return YawDegrees(axes[2]); }
  double pitch_degrees() const { return PitchDegrees(axes[2]); }
  // Turn around the head's own forward axis, clockwise as seen in the picture.
  double roll_degrees() const;
  // A vector in the axes of the canonical face, turned as the head is; lengths stay.
  Vector3 Turn(const Vector3& canonical) const;
};

// Weighted orthogonal Procrustes fit, with scale, of MediaPipe's canonical face to the mesh [MediaPipe:
// procrustes_solver; Umeyama, 1991, eq. 39 to 42]. The projection is taken to be parallel, so that zero means "faces
// the camera" wherever in the picture the face is; MediaPipe's own face geometry unprojects with an assumed lens first.
// Nothing if the points have no extent. REQUIRES: mesh.points is whole.
std::optional<HeadPose> FitHeadPose(const FaceMesh& mesh);

}  // namespace reelsight::eye_tracking
