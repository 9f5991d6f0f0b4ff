// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/head_pose.h"

#include <cmath>
#include <numbers>

#include "gtest/gtest.h"
#include "services/detection/eye_tracking/canonical_face.h"
#include "services/detection/eye_tracking/gaze.h"

namespace reelsight::eye_tracking {
namespace {

constexpr double kRadians = std::numbers::pi / 180;

// `v` turned clockwise by `roll`, then up by `pitch`, then to the right edge by `yaw`.
Vector3 Turned(Vector3 v, double yaw, double pitch, double roll) {
  yaw *= kRadians;
  pitch *= kRadians;
  roll *= kRadians;
  v = {std::cos(roll) * v[0] + std::sin(roll) * v[1], -std::sin(roll) * v[0] + std::cos(roll) * v[1], v[2]};
  v = {v[0], std::cos(pitch) * v[1] + std::sin(pitch) * v[2], -std::sin(pitch) * v[1] + std::cos(pitch) * v[2]};
  return {std::cos(yaw) * v[0] + std::sin(yaw) * v[2], v[1], -std::sin(yaw) * v[0] + std::cos(yaw) * v[2]};
}

Point3 Seen(const Vector3& cm, double px_per_cm) {
  return {300 + px_per_cm * cm[0], 200 - px_per_cm * cm[1], -px_per_cm * cm[2]};
}

FaceMesh CanonicalMesh(double yaw, double pitch, double roll, double px_per_cm) {
  FaceMesh mesh;
  mesh.points.resize(kMeshPoints);
  for (const CanonicalPoint& point : kCanonicalFace) {
    mesh.points[point.mesh_index] = Seen(Turned({point.x_cm, point.y_cm, point.z_cm}, yaw, pitch, roll), px_per_cm);
  }
  return mesh;
}

TEST(HeadPoseTest, FindsTheTurnsThatWereMade) {
  for (const double yaw : {-70.0, -20.0, 0.0, 35.0}) {
    for (const double pitch : {-40.0, 0.0, 25.0}) {
      for (const double roll : {-170.0, -30.0, 0.0, 90.0}) {
        SCOPED_TRACE(::testing::Message() << yaw << " " << pitch << " " << roll);
        const auto pose = FitHeadPose(CanonicalMesh(yaw, pitch, roll, 12));
        ASSERT_TRUE(pose.has_value());
        EXPECT_NEAR(pose->yaw_degrees(), yaw, 1e-6);
        EXPECT_NEAR(pose->pitch_degrees(), pitch, 1e-6);
        EXPECT_NEAR(pose->roll_degrees(), roll, 1e-6);
        EXPECT_NEAR(pose->px_per_cm, 12, 1e-6);
      }
    }
  }
}

TEST(HeadPoseTest, AFlatOrEmptyMeshHasNone) {
  FaceMesh mesh;
  mesh.points.resize(kMeshPoints);
  EXPECT_FALSE(FitHeadPose(mesh).has_value());
}

// A left eye of the canonical face that looks along `sight` (in the camera's axes) and whose lids are `gap_cm` apart.
Eye LookingEye(const HeadPose& pose, const Vector3& sight, double gap_cm) {
  // The pupil is further from the nose.
  const Vector3 gaze = TurnAround(sight, pose.axes[1], kVisualAxisDegrees);
  Eye eye = {};
  const auto place = [&](const Vector3& canonical) { return Seen(pose.Turn(canonical), pose.px_per_cm); };
  for (int i = 0; i <= 8; ++i) {
    const double x = -1.4 + 0.35 * i;
    const double gap = i == 0 || i == 8 ? 0 : gap_cm;
    eye.contour[i] = place({x, -0.5 * gap, 0});
    if (i > 0 && i < 8) eye.contour[8 + i] = place({x, 0.5 * gap, 0});
  }
  const Vector3 center = pose.Turn({0, 0, -kEyeballDepthCm});
  eye.iris[0] = Seen({center[0] + kPupilRadiusCm * gaze[0], center[1] + kPupilRadiusCm * gaze[1],
                      center[2] + kPupilRadiusCm * gaze[2]},
                     pose.px_per_cm);
  return eye;
}

TEST(GazeTest, FindsWhereTheEyeLooksWhateverTheHeadDoes) {
  for (const double head_yaw : {-30.0, 0.0, 20.0}) {
    for (const double gaze_yaw : {-25.0, 0.0, 40.0}) {
      for (const double gaze_pitch : {-20.0, 0.0, 15.0}) {
        SCOPED_TRACE(::testing::Message() << head_yaw << " " << gaze_yaw << " " << gaze_pitch);
        const auto pose = FitHeadPose(CanonicalMesh(head_yaw, 10, 15, 8));
        ASSERT_TRUE(pose.has_value());
        const Vector3 direction = Turned({0, 0, 1}, gaze_yaw, gaze_pitch, 0);
        const auto gaze = EyeGaze(LookingEye(*pose, direction, 1), true, *pose);
        ASSERT_TRUE(gaze.has_value());
        EXPECT_NEAR(YawDegrees(*gaze), gaze_yaw, 1e-6);
        EXPECT_NEAR(PitchDegrees(*gaze), gaze_pitch, 1e-6);
      }
    }
  }
}

TEST(GazeTest, EyesThatSeeTheSamePointDivergeByTheirVisualAxes) {
  const auto pose = FitHeadPose(CanonicalMesh(0, 0, 0, 8));
  const Eye eye = LookingEye(*pose, TurnAround({0, 0, 1}, {0, 1, 0}, -kVisualAxisDegrees), 1);
  EXPECT_NEAR(eye.iris[0].x, 300, 1e-6);
  EXPECT_NEAR(YawDegrees(*EyeGaze(eye, true, *pose)), -kVisualAxisDegrees, 1e-6);
  EXPECT_NEAR(YawDegrees(*EyeGaze(eye, false, *pose)), kVisualAxisDegrees, 1e-6);
}

TEST(GazeTest, AnIrisBeyondTheEyeballHasNone) {
  const auto pose = FitHeadPose(CanonicalMesh(0, 0, 0, 8));
  Eye eye = LookingEye(*pose, {0, 0, 1}, 1);
  eye.iris[0].x += 1.2 * kPupilRadiusCm * 8;
  EXPECT_FALSE(EyeGaze(eye, true, *pose).has_value());
}

TEST(OpennessTest, IsTheLidsDistanceOverTheEyesWidthInAnyTurn) {
  for (const double yaw : {-40.0, 0.0, 30.0}) {
    const auto pose = FitHeadPose(CanonicalMesh(yaw, 0, 20, 8));
    // Roll and yaw together skew the eye a little.
    EXPECT_NEAR(EyeOpenness(LookingEye(*pose, {0, 0, 1}, 0.56), *pose), 0.56 / 2.8 / kWideOpenRatio, 0.02);
    EXPECT_NEAR(EyeOpenness(LookingEye(*pose, {0, 0, 1}, 0), *pose), 0, 1e-6);
    EXPECT_EQ(EyeOpenness(LookingEye(*pose, {0, 0, 1}, 2), *pose), 1);
  }
}

}  // namespace
}  // namespace reelsight::eye_tracking
