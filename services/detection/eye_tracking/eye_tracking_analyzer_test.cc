// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/eye_tracking_analyzer.h"

#include "gtest/gtest.h"
#include "reelsight/v1/eye_tracking.pb.h"
#include "services/detection/eye_tracking/face_test_media.h"
#include "shared/testing/analyzer_driver.h"

namespace reelsight::eye_tracking {
namespace {

using v1::EyeTrackingResult;

InstalledModels& Models() {
  static InstalledModels* const models = new InstalledModels();
  return *models;
}

EyeTrackingResult ResultOf(const absl::StatusOr<analyzer::v1::SummarizeResponse>& response) {
  EyeTrackingResult result;
  EXPECT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response.ok() && response->typed().UnpackTo(&result));
  return result;
}

// Frame results of one face at 30 frames a second whose eyes are so far open.
analyzer::v1::SummarizeRequest BlinkingFace(const std::vector<float>& openness, double sample_fps) {
  analyzer::v1::SummarizeRequest request;
  request.set_analyzer("eye_tracking");
  request.set_sample_fps(sample_fps);
  request.mutable_video()->set_frame_rate(30);
  for (size_t i = 0; i < openness.size(); ++i) {
    analyzer::v1::FrameResult& frame = *request.add_results();
    frame.set_index(static_cast<int64_t>(i));
    *frame.mutable_offset() = analysis::ToProto(static_cast<int64_t>(i) * absl::Milliseconds(40));
    EyeTrackingResult::Face faces;
    EyeTrackingResult::Observation& observation = *faces.add_observations();
    observation.mutable_box()->set_left(0.4F);
    observation.mutable_box()->set_top(0.4F);
    observation.mutable_box()->set_right(0.6F);
    observation.mutable_box()->set_bottom(0.6F);
    observation.set_score(0.9F);
    observation.set_left_eye_openness(openness[i]);
    observation.set_right_eye_openness(openness[i]);
    frame.set_payload(faces.SerializeAsString());
  }
  analyzer::v1::Segment& segment = *request.add_segments();
  *segment.mutable_end_offset() = analysis::ToProto(absl::Milliseconds(40) * static_cast<int64_t>(openness.size()));
  v1::EyeTrackingOptions options;
  options.set_blinks(true);
  request.mutable_options()->PackFrom(options);
  return request;
}

std::vector<float> WithOneBlink() {
  std::vector<float> openness(50, 0.8F);
  openness[20] = openness[21] = 0.1F;
  return openness;
}

TEST(EyeTrackingAnalyzerTest, FindsBlinksWhereSamplesAreDenseEnough) {
  const auto analyzer = MakeEyeTrackingAnalyzer(Models().source());
  for (const double fps : {25.0, 15.0, 0.0}) {
    const auto response = analyzer->Summarize(BlinkingFace(WithOneBlink(), fps), CancelToken());
    const EyeTrackingResult result = ResultOf(response);
    EXPECT_TRUE(result.blinks_measured());
    ASSERT_EQ(result.blinks_size(), 1);
    EXPECT_EQ(analysis::FromProto(result.blinks(0).start_offset()), absl::Milliseconds(800));
    EXPECT_EQ(analysis::FromProto(result.blinks(0).end_offset()), absl::Milliseconds(880));
    EXPECT_EQ(result.blinks(0).track_id(), 1);
    EXPECT_EQ(response->warning(), "");
    EXPECT_EQ(response->headline(), "1 face, no gaze could be told, 1 blink");
  }
}

TEST(EyeTrackingAnalyzerTest, WarnsInsteadOfBlinksWhereSamplesAreSparse) {
  const auto analyzer = MakeEyeTrackingAnalyzer(Models().source());
  const auto response = analyzer->Summarize(BlinkingFace(WithOneBlink(), 14.9), CancelToken());
  const EyeTrackingResult result = ResultOf(response);
  EXPECT_FALSE(result.blinks_measured());
  EXPECT_TRUE(result.blinks().empty());
  EXPECT_NE(response->warning().find("14.9"), std::string::npos) << response->warning();
}

TEST(EyeTrackingAnalyzerTest, NoFramesGiveAnEmptyResult) {
  const auto analyzer = MakeEyeTrackingAnalyzer(Models().source());
  const auto response = analyzer->Summarize({}, CancelToken());
  EXPECT_TRUE(ResultOf(response).faces().empty());
  EXPECT_EQ(response->headline(), "no face");
}

TEST(EyeTrackingAnalyzerTest, RefusesScoresOutOfRange) {
  v1::EyeTrackingOptions options;
  options.set_min_score(1.5F);
  analyzer::v1::SummarizeRequest request;
  request.mutable_options()->PackFrom(options);
  const auto response = MakeEyeTrackingAnalyzer(Models().source())->Summarize(request, CancelToken());
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(EyeTrackingAnalyzerTest, FollowsOneFaceThroughTheClipWhateverTheBatches) {
  if (!Models().missing().empty()) GTEST_SKIP() << Models().missing();
  testing::AnalyzerDriver::Pictures pictures;
  for (int i = 0; i < 11; ++i) pictures.push_back(ReadFrame("carphone_pristine.mp4", i / 3.0));
  testing::AnalyzerDriver driver(MakeEyeTrackingAnalyzer(Models().source()), absl::Seconds(1) / 3);
  const auto response = driver.Summarize(driver.MakeRequest(pictures));
  const EyeTrackingResult result = ResultOf(response);
  ASSERT_EQ(result.faces_size(), 1);
  EXPECT_EQ(result.faces(0).observations_size(), 11);
  for (const EyeTrackingResult::Observation& observation : result.faces(0).observations()) {
    EXPECT_TRUE(observation.has_head_yaw_degrees());
    EXPECT_TRUE(observation.has_left_eye_openness());
    EXPECT_GT(observation.left_iris().x(), observation.right_iris().x());
  }
  ASSERT_EQ(response->timeline_size(), 1);
  EXPECT_EQ(response->model().name(), "mediapipe_face_landmark");
  const auto shuffled = driver.Summarize(driver.MakeRequest(pictures, testing::AnalyzerDriver::ShuffledBatches(11, 7)));
  EXPECT_EQ(ResultOf(shuffled).SerializeAsString(), result.SerializeAsString());
}

}  // namespace
}  // namespace reelsight::eye_tracking
