// SPDX-License-Identifier: Apache-2.0
//
// Every analyzer of the service that follows things through time, held to the same rules of where tracks and timeline
// entries end; and every analyzer, to refusing the frame results of another version. No network runs.
#include "gtest/gtest.h"
#include "reelsight/payload/v1/eye_tracking.pb.h"
#include "services/detection/analyzers.h"
#include "services/detection/body_pose/pose_payload.h"
#include "services/detection/object_detection/detection_payload.h"
#include "services/detection/text_overlay/text_payload.h"
#include "services/frame_payload/frame_payload.h"
#include "services/frame_payload/payload_test_support.h"
#include "services/tracked_summary/sightings_test_support.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/test_models.h"

namespace reelsight::detection {
namespace {

using tracked_summary::Sightings;

constexpr inference::Box kBox = {0.2F, 0.2F, 0.6F, 0.8F};
constexpr float kScore = 0.9F;

std::string ObjectPayload(bool seen) {
  std::vector<inference::Detection> detections;
  if (seen) detections.push_back({.box = kBox, .score = kScore});
  return object_detection::EncodeDetections(detections);
}

std::string PosePayload(bool seen) {
  std::vector<body_pose::Pose> poses;
  if (seen) poses.push_back({.box = kBox, .score = kScore, .keypoints = {}});
  return body_pose::EncodePoses(poses);
}

std::string FacePayload(bool seen) {
  payload::v1::EyeTrackingPayload payload;
  if (seen) {
    payload::v1::EyeTrackingPayload::Face& face = *payload.add_faces();
    for (const float side : {kBox.left, kBox.top, kBox.right, kBox.bottom}) face.add_box(side);
    face.set_score(kScore);
  }
  return frame_payload::EncodePayload(payload);
}

std::string TextPayload(bool seen) {
  text_overlay::FrameText frame{.width_px = 90, .height_px = 160};
  if (seen) frame.text.readings.push_back({{{{10, 10}, {60, 10}, {60, 30}, {10, 30}}}, "hello you", kScore});
  return text_overlay::EncodeFrameText(frame);
}

struct Kind {
  const char* analyzer;
  std::string (*payload)(bool seen);
};

constexpr Kind kFollowing[] = {
    {"body_pose", PosePayload}, {"eye_tracking", FacePayload}, {"object_detection", ObjectPayload}};
constexpr Kind kAll[] = {{"body_pose", PosePayload},
                         {"eye_tracking", FacePayload},
                         {"object_detection", ObjectPayload},
                         {"text_overlay", TextPayload}};

class SightingsTest : public ::testing::Test {
 protected:
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const Kind& kind, analyzer::v1::SummarizeRequest request) {
    request.set_analyzer(kind.analyzer);
    return host_->Summarize(request, CancelToken());
  }

  const std::unique_ptr<testing::TestModels> models_ = *testing::OpenInstalledModels({});
  const std::unique_ptr<analysis::AnalyzerHost> host_ =
      *analysis::AnalyzerHost::Create("detection", "1", MakeDetectionAnalyzers(models_->runtime()), 1);
};

TEST_F(SightingsTest, TimelineEntriesReachIntoNoShotWithoutASighting) {
  for (const Kind& kind : kFollowing) {
    SCOPED_TRACE(kind.analyzer);
    tracked_summary::ExpectEntriesEndInTheirShots([&](const Sightings& sightings, bool with_cuts) {
      return Summarize(kind, sightings.Request(kind.payload, with_cuts));
    });
  }
}

TEST_F(SightingsTest, TracksEndAtGapsBetweenSegmentsWithoutCutAnalysisToo) {
  for (const Kind& kind : kFollowing) {
    SCOPED_TRACE(kind.analyzer);
    // At 3 frames a second a thing may be missed for over a second; the gap is shorter.
    Sightings sightings;
    sightings.segments = sightings.shots = {{absl::ZeroDuration(), absl::Seconds(1)},
                                            {absl::Milliseconds(1400), absl::Milliseconds(2400)}};
    for (const int milliseconds : {0, 333, 667, 1400, 1733, 2067}) {
      sightings.offsets.push_back(absl::Milliseconds(milliseconds));
      sightings.seen.push_back(true);
    }
    for (const bool with_cuts : {true, false}) {
      const auto response = Summarize(kind, sightings.Request(kind.payload, with_cuts));
      ASSERT_TRUE(response.ok()) << response.status();
      ASSERT_EQ(response->timeline_size(), 2) << (with_cuts ? "with cuts" : "without");
      EXPECT_EQ(analysis::FromProto(response->timeline(0).end_offset()), absl::Seconds(1));
      EXPECT_EQ(analysis::FromProto(response->timeline(1).start_offset()), absl::Milliseconds(1400));
    }
  }
}

TEST_F(SightingsTest, FrameResultsOfAnotherVersionAreRefused) {
  const auto request = [](const std::string& first, const std::string& second) {
    const Sightings sightings{.segments = {{absl::ZeroDuration(), absl::Seconds(1)}},
                              .offsets = {absl::ZeroDuration(), absl::Milliseconds(333)},
                              .seen = {false, true}};
    return sightings.Request([&](bool seen) { return seen ? second : first; }, false);
  };
  for (const Kind& kind : kAll) {
    SCOPED_TRACE(kind.analyzer);
    const std::string good = kind.payload(true);
    const int known = frame_payload::VersionOfForTest(good);
    EXPECT_TRUE(Summarize(kind, request(good, good)).ok());
    for (const int version : {known + 1, known - 1}) {
      const std::string other = frame_payload::WithVersionForTest(good, version);
      frame_payload::ExpectVersionRefused(Summarize(kind, request(good, other)).status(), version, known);
    }
    for (const std::string& bad : {std::string(), std::string("other"), good.substr(0, good.size() - 1)}) {
      EXPECT_EQ(GetReason(Summarize(kind, request(good, bad)).status()), "BAD_FRAME");
    }
  }
}

}  // namespace
}  // namespace reelsight::detection
