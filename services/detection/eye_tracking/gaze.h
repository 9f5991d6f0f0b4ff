// SPDX-License-Identifier: Apache-2.0
//
// Where one eye looks, and how open it is, from its outline and iris. A geometric model of an average eye: it knows
// nothing of the person, so a gaze is good to several degrees only, see docs/accuracy.md.
#pragma once

#include <optional>

#include "services/detection/eye_tracking/face_mesh.h"
#include "services/detection/eye_tracking/head_pose.h"

namespace reelsight::eye_tracking {

// Distance of the lids over the width of the eye, as far as a wide open eye (kWideOpenRatio) has it, in [0, 1]. The
// distance is the mean of the three middle pairs of points, the eye aspect ratio [Soukupova and Cech, Real-Time Eye
// Blink Detection using Facial Landmarks, 2016]; the width is set right for the turn of the head.
inline constexpr double kWideOpenRatio = 0.4;
double EyeOpenness(const Eye& eye, const HeadPose& pose);

// Direction of the gaze, head pose included; length 1. The line from the eyeball's centre of rotation through the
// centre of the pupil [Park et al., Learning to Find Eye Region Landmarks for Remote Gaze Estimation, 2018, section
// 4.1], with
//  - the centre kEyeballDepthCm behind the middle of the eye's corners, along the head's forward axis: a sphere of
//    1.2 cm radius under the lids of the canonical face;
//  - the pupil kPupilRadiusCm from the centre: 1.35 cm from the centre of rotation to the cornea [Fry and Hill, 1962]
//    less 0.305 cm from the cornea to the pupil as one sees it [Gullstrand's eye];
//  - centimetres by the size of the head;
//  - the line of sight kVisualAxisDegrees nearer to the nose than that line [Guestrin and Eizenman, General Theory of
//    Remote Gaze Estimation, 2006, table II].
// `left`: the person's own left eye. Nothing if the iris lies further from the centre than an eyeball reaches.
inline constexpr double kEyeballDepthCm = 0.9;
inline constexpr double kPupilRadiusCm = 1.045;
inline constexpr double kVisualAxisDegrees = 5;
std::optional<Vector3> EyeGaze(const Eye& eye, bool left, const HeadPose& pose);

}  // namespace reelsight::eye_tracking
