// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/eye_tracking_analyzer.h"

#include <fstream>
#include <set>

#include "gtest/gtest.h"
#include "reelsight/payload/v1/eye_tracking.pb.h"
#include "reelsight/v1/eye_tracking.pb.h"
#include "services/detection/eye_tracking/face_pictures_test_support.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/analyzer_driver.h"
#include "shared/testing/scratch_folder.h"
#include "shared/testing/test_models.h"

namespace reelsight::eye_tracking {
namespace {

using v1::EyeTrackingResult;

// The catalogue, and what is installed of it.
inference::ModelSource& Source() {
  static const auto* const models = new std::unique_ptr<testing::TestModels>(*testing::OpenInstalledModels({}));
  return (*models)->runtime();
}

// Empty if the weights are there.
std::string Missing() {
  for (const std::string& name : kFaceModels) {
    if (const absl::Status status = Source().Installed(name); !status.ok()) return std::string(status.message());
  }
  return "";
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
    payload::v1::EyeTrackingPayload payload;
    payload::v1::EyeTrackingPayload::Face& face = *payload.add_faces();
    for (const float side : {0.4F, 0.4F, 0.6F, 0.6F}) face.add_box(side);
    face.set_score(0.9F);
    face.mutable_left_eye()->set_openness(openness[i]);
    face.mutable_right_eye()->set_openness(openness[i]);
    frame.set_payload(frame_payload::EncodePayload(payload));
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
  const auto analyzer = MakeEyeTrackingAnalyzer(Source());
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
  const auto analyzer = MakeEyeTrackingAnalyzer(Source());
  const auto response = analyzer->Summarize(BlinkingFace(WithOneBlink(), 14.9), CancelToken());
  const EyeTrackingResult result = ResultOf(response);
  EXPECT_FALSE(result.blinks_measured());
  EXPECT_TRUE(result.blinks().empty());
  EXPECT_NE(response->warning().find("14.9"), std::string::npos) << response->warning();
}

TEST(EyeTrackingAnalyzerTest, NoFramesGiveAnEmptyResult) {
  const auto analyzer = MakeEyeTrackingAnalyzer(Source());
  const auto response = analyzer->Summarize({}, CancelToken());
  EXPECT_TRUE(ResultOf(response).faces().empty());
  EXPECT_EQ(response->headline(), "no face");
  // The face mesh is the main model.
  ASSERT_EQ(response->models_size(), 4);
  EXPECT_EQ(response->model().name(), "mediapipe_face_landmark");
  std::set<std::string> names;
  for (const analyzer::v1::Model& model : response->models()) names.insert(model.name());
  EXPECT_EQ(names, std::set<std::string>(std::begin(kFaceModels), std::end(kFaceModels)));
}

TEST(EyeTrackingAnalyzerTest, ADefaultOfYourOwnTakesItsRole) {
  const auto described = [](const std::string& family) {
    const testing::ScratchFolder folder;
    std::ofstream(folder / "mine.textproto")
        << "models { name: 'mine' version: '1' task: 'eye_tracking' role: 'iris' default_for_task: true family: '"
        << family << "' files { name: 'm' size_bytes: 1 path: 'm' sha256: '" << std::string(64, '0') << "' } }";
    auto store =
        model_store::ModelStore::Open({.directory = folder / "models", .catalog_files = {folder / "mine.textproto"}});
    EXPECT_TRUE(store.ok()) << store.status();
    testing::TestModels models(*std::move(store), {});
    return MakeEyeTrackingAnalyzer(models.runtime())->Describe();
  };
  const auto good = described("mediapipe_iris");
  ASSERT_EQ(good.models_size(), 4);
  EXPECT_EQ(good.models(3).name(), "mine");
  EXPECT_NE(good.unavailable_reason().find(
                "reelsight models pull blazeface_short_range blazeface_full_range mediapipe_face_landmark mine"),
            std::string::npos)
      << good.unavailable_reason();
  const auto wrong = described("other");
  EXPECT_FALSE(wrong.available());
  EXPECT_EQ(wrong.unavailable_reason(),
            "the default iris of eye_tracking, mine, is of family other, not of family mediapipe_iris");
}

TEST(EyeTrackingAnalyzerTest, RefusesScoresOutOfRange) {
  v1::EyeTrackingOptions options;
  options.set_min_score(1.5F);
  analyzer::v1::SummarizeRequest request;
  request.mutable_options()->PackFrom(options);
  const auto response = MakeEyeTrackingAnalyzer(Source())->Summarize(request, CancelToken());
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(EyeTrackingAnalyzerTest, FollowsOneFaceThroughTheClipWhateverTheBatches) {
  if (!Missing().empty()) GTEST_SKIP() << Missing();
  testing::AnalyzerDriver::Pictures pictures;
  for (int i = 0; i < 11; ++i) pictures.push_back(ReadFrame("carphone_pristine.mp4", i / 3.0));
  testing::AnalyzerDriver driver(MakeEyeTrackingAnalyzer(Source()), absl::Seconds(1) / 3);
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

// The man in the clip closes his eyes in frames 92 and 112 to 113.
TEST(EyeTrackingAnalyzerTest, FindsRealBlinks) {
  if (!Missing().empty()) GTEST_SKIP() << Missing();
  constexpr double kFps = 30000.0 / 1001;
  testing::AnalyzerDriver::Pictures pictures;
  for (int i = 86; i < 118; ++i) pictures.push_back(ReadFrame("carphone_pristine.mp4", (i - 0.5) / kFps));
  testing::AnalyzerDriver driver(MakeEyeTrackingAnalyzer(Source()), absl::Seconds(1 / kFps));
  analyzer::v1::SummarizeRequest request = driver.MakeRequest(pictures);
  request.set_sample_fps(kFps);
  v1::EyeTrackingOptions options;
  options.set_blinks(true);
  request.mutable_options()->PackFrom(options);
  const EyeTrackingResult result = ResultOf(driver.Summarize(request));
  ASSERT_EQ(result.blinks_size(), 2);
  for (int i = 0; i < 2; ++i) {
    const double frame = 86 + absl::ToDoubleSeconds(analysis::FromProto(result.blinks(i).start_offset())) * kFps;
    EXPECT_NEAR(frame, i == 0 ? 92 : 112, 1.1);
  }
}

}  // namespace
}  // namespace reelsight::eye_tracking
