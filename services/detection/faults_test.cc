// SPDX-License-Identifier: Apache-2.0
//
// The analyzers of the service under what goes wrong: broken and wrong models, strange pictures, pictures with nothing
// or too much in them, callers that go away. One analyzer's fault is never another's.
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/body_pose.pb.h"
#include "reelsight/v1/object_detection.pb.h"
#include "services/detection/analyzers.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/test_models.h"

namespace reelsight::detection {
namespace {

using analysis::Image;
using ::testing::HasSubstr;
using testing::MadeModel;
using testing::MadeModels;
using testing::TestModels;

constexpr int kSide = 640;

std::shared_ptr<const Image> Picture(int width_px, int height_px, bool noise = false) {
  auto image = std::make_shared<Image>(analysis::PixelFormat::kRgb24, analysis::ImageSize{width_px, height_px});
  const int64_t bytes = analysis::ImageBytes(image->format(), image->size());
  std::minstd_rand random(20261125);
  for (int64_t i = 0; i < bytes; ++i) image->mutable_plane(0)[i] = noise ? static_cast<uint8_t>(random() >> 8) : 128;
  return image;
}

// The service over some models.
class Service {
 public:
  explicit Service(TestModels& models)
      : host_(*analysis::AnalyzerHost::Create("detection", "1", MakeDetectionAnalyzers(models.runtime()), 1)) {}

  analyzer::v1::DescribeResponse Describe() const { return host_->Describe(); }

  // One batch of `picture`, `frames` times, at 3 fps. `models`: of each analyzer, the model it shall use; empty: its
  // default.
  analyzer::v1::AnalyzeFramesResponse Analyze(const std::vector<std::pair<std::string, std::string>>& models,
                                              const std::shared_ptr<const Image>& picture, int frames = 1) const {
    analysis::Batch batch;
    batch.request_id = "faults";
    for (int64_t i = 0; i < frames; ++i) batch.frames.push_back({i, i * absl::Seconds(1) / 3, picture});
    for (const auto& [analyzer, model] : models) {
      analysis::AnalyzerWork work{.analyzer = analyzer, .options = Options(analyzer, model)};
      for (const analysis::Frame& frame : batch.frames) work.target_indexes.push_back(frame.index);
      batch.work.push_back(std::move(work));
    }
    const auto response = host_->AnalyzeFrames(batch, CancelToken());
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(analyzer::v1::AnalyzeFramesResponse());
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::AnalyzerBatchResult& result,
                                                            const std::string& model, const Image& picture,
                                                            const CancelToken& cancel = CancelToken()) const {
    analyzer::v1::SummarizeRequest request;
    request.set_analyzer(result.analyzer());
    request.set_sample_fps(3);
    request.mutable_video()->set_width_px(picture.width_px());
    request.mutable_video()->set_height_px(picture.height_px());
    *request.mutable_options() = Options(result.analyzer(), model);
    *request.mutable_results() = result.results();
    *request.add_segments()->mutable_end_offset() = analysis::ToProto(absl::Minutes(1));
    return host_->Summarize(request, cancel);
  }

 private:
  static google::protobuf::Any Options(const std::string& analyzer, const std::string& model) {
    google::protobuf::Any any;
    if (model.empty()) return any;
    if (analyzer == "object_detection") {
      v1::ObjectDetectionOptions options;
      options.set_model(model);
      any.PackFrom(options);
    } else {
      v1::BodyPoseOptions options;
      options.set_model(model);
      any.PackFrom(options);
    }
    return any;
  }

  const std::unique_ptr<analysis::AnalyzerHost> host_;
};

void ExpectFailure(const analyzer::v1::AnalyzerBatchResult& result, absl::StatusCode code, const std::string& reason,
                   const std::string& text) {
  EXPECT_EQ(result.failure().code(), static_cast<int>(code)) << result.failure().DebugString();
  EXPECT_EQ(result.failure().reason(), reason);
  EXPECT_THAT(result.failure().message(), HasSubstr(text));
  EXPECT_EQ(result.results_size(), 0);
}

// `count` boxes side by side, their scores falling from 0.9 by 0.001, as a YOLOv8 network gives them: of 2 classes, or
// with 17 joints in each box's middle.
MadeModel Grid(const std::string& name, int count, bool poses) {
  MadeModel model{.name = name, .width_px = kSide, .height_px = kSide};
  const int rows = poses ? 5 + 3 * 17 : 6;
  MadeModel::Output out{.shape = {1, rows, count}, .values = std::vector<float>(static_cast<size_t>(rows * count))};
  for (int i = 0; i < count; ++i) {
    const auto set = [&](int row, float value) { out.values[static_cast<size_t>(row * count + i)] = value; };
    const float x = 16.0F + 32.0F * static_cast<float>(i % 20), y = 16.0F + 32.0F * static_cast<float>(i / 20);
    set(0, x);
    set(1, y);
    set(2, 20);
    set(3, 20);
    set(4 + (poses ? 0 : i % 2), 0.9F - 0.001F * static_cast<float>(i));
    for (int joint = 0; poses && joint < 17; ++joint) {
      set(5 + 3 * joint, x);
      set(6 + 3 * joint, y);
      set(7 + 3 * joint, 0.8F);
    }
  }
  model.outputs = {out};
  if (poses) {
    model.task = "body_pose";
    model.family = "yolov8_pose";
  } else {
    model.more = "labels: 'cat' labels: 'dog'";
  }
  return model;
}

TEST(DetectionFaultsTest, OneAnalyzersFaultIsItsOwn) {
  MadeModels made;
  made.Add(Grid("cats", 3, false));
  made.Add(Grid("people", 3, true));
  made.AddFile("corrupt", "model.onnx", "this is no model");
  // Outputs of a pose network where those of a detector should be, and the other way round.
  MadeModel wrong = Grid("wrong_detector", 3, true);
  wrong.task = "object_detection";
  wrong.family = "rtdetr";
  made.Add(wrong);
  MadeModel wrong_pose = Grid("wrong_pose", 3, true);
  wrong_pose.family = "movenet_multipose";
  made.Add(wrong_pose);
  MadeModel unknown = Grid("unknown_family", 3, false);
  unknown.family = "yolov99";
  made.Add(unknown);
  MadeModel undefined = Grid("undefined", 3, false);
  undefined.divide_by_zero = true;
  made.Add(undefined);
  MadeModel large = Grid("large", 3, false);
  large.weights_bytes = int64_t{150} << 20;
  made.Add(large);
  const auto models = made.Open({.memory_budget_bytes = int64_t{140} << 20});
  const Service service(*models);
  const auto picture = Picture(kSide, kSide);
  const struct {
    const char* model;
    absl::StatusCode code;
    const char* reason;
    const char* text;
  } cases[] = {
      {"corrupt", absl::StatusCode::kDataLoss, "MODEL_CORRUPT", "reelsight models pull corrupt --force"},
      {"wrong_detector", absl::StatusCode::kInternal, "INVALID_MODEL_OUTPUT", "model wrong_detector: outputs float32"},
      {"unknown_family", absl::StatusCode::kInvalidArgument, "INVALID_FIELD", "no detector family yolov99"},
      {"undefined", absl::StatusCode::kInternal, "INVALID_MODEL_OUTPUT", "model undefined: output output0 holds a NaN"},
      {"large", absl::StatusCode::kResourceExhausted, "MODEL_TOO_LARGE", "raise memory_budget_bytes"},
      {"absent", absl::StatusCode::kInvalidArgument, "INVALID_FIELD", "no model absent"},
  };
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.model);
    const auto response = service.Analyze({{"object_detection", expected.model}, {"body_pose", "people"}}, picture);
    ASSERT_EQ(response.results_size(), 2);
    ExpectFailure(response.results(0), expected.code, expected.reason, expected.text);
    EXPECT_EQ(response.results(1).results_size(), 1) << response.results(1).failure().DebugString();
  }
  const auto response = service.Analyze({{"body_pose", "wrong_pose"}, {"object_detection", "cats"}}, picture);
  ExpectFailure(response.results(0), absl::StatusCode::kInternal, "INVALID_MODEL_OUTPUT", "model wrong_pose: outputs");
  EXPECT_EQ(response.results(1).results_size(), 1) << response.results(1).failure().DebugString();
}

TEST(DetectionFaultsTest, TwoHundredBoxesKeepTheStrongestHundred) {
  MadeModels made;
  made.Add(Grid("crowd", 200, false));
  made.Add(Grid("people", 200, true));
  const auto models = made.Open();
  const Service service(*models);
  const auto picture = Picture(kSide, kSide);
  const auto response = service.Analyze({{"object_detection", "crowd"}, {"body_pose", "people"}}, picture, 9);
  ASSERT_EQ(response.results(0).results_size(), 9) << response.results(0).failure().DebugString();
  ASSERT_EQ(response.results(1).results_size(), 9) << response.results(1).failure().DebugString();

  const auto objects = service.Summarize(response.results(0), "crowd", *picture);
  ASSERT_TRUE(objects.ok()) << objects.status();
  v1::ObjectDetectionResult detected;
  ASSERT_TRUE(objects->typed().UnpackTo(&detected));
  ASSERT_EQ(detected.tracks_size(), 100);
  for (const auto& track : detected.tracks()) {
    EXPECT_EQ(track.observations_size(), 9);
    EXPECT_GT(track.score(), 0.79F);
  }
  EXPECT_EQ(objects->headline(), "50 cats, 50 dogs");

  const auto people = service.Summarize(response.results(1), "people", *picture);
  ASSERT_TRUE(people.ok()) << people.status();
  v1::BodyPoseResult poses;
  ASSERT_TRUE(people->typed().UnpackTo(&poses));
  EXPECT_EQ(poses.tracks_size(), 50);
  EXPECT_EQ(poses.most_at_once(), 50);
}

TEST(DetectionFaultsTest, NoBoxesIsAnAnswer) {
  MadeModels made;
  MadeModel nothing = Grid("nothing", 5, false);
  for (float& value : nothing.outputs[0].values) value = 0;
  made.Add(nothing);
  const auto models = made.Open();
  const Service service(*models);
  const auto picture = Picture(kSide, kSide);
  const auto response = service.Analyze({{"object_detection", "nothing"}}, picture, 3);
  const auto summary = service.Summarize(response.results(0), "nothing", *picture);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->headline(), "no objects");
  EXPECT_EQ(summary->timeline_size(), 0);
}

TEST(DetectionFaultsTest, ACancelledSummaryEnds) {
  MadeModels made;
  made.Add(Grid("crowd", 200, false));
  made.Add(Grid("people", 200, true));
  const auto models = made.Open();
  const Service service(*models);
  const auto picture = Picture(kSide, kSide);
  const auto response = service.Analyze({{"object_detection", "crowd"}, {"body_pose", "people"}}, picture, 3);
  for (const auto& [at, model] : {std::pair{0, "crowd"}, {1, "people"}}) {
    const CancelToken cancelled, late;
    cancelled.Cancel();
    late.SetDeadline(std::chrono::steady_clock::now());
    EXPECT_TRUE(absl::IsCancelled(service.Summarize(response.results(at), model, *picture, cancelled).status()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(service.Summarize(response.results(at), model, *picture, late).status()));
    EXPECT_TRUE(service.Summarize(response.results(at), model, *picture).ok());
  }
}

// Sizes that no camera makes, with nothing on them and with noise, through each analyzer whose models are installed.
TEST(DetectionFaultsTest, PicturesOfAnySizeGoThroughEveryAnalyzer) {
  const auto models = testing::OpenInstalledModels({});
  ASSERT_TRUE(models.ok()) << models.status();
  const Service service(**models);
  int tried = 0;
  const analyzer::v1::DescribeResponse described = service.Describe();
  for (const analyzer::v1::AnalyzerDescription& description : described.analyzers()) {
    SCOPED_TRACE(description.name());
    if (!description.available()) {
      std::printf("left out: %s: %s\n", description.name().c_str(), description.unavailable_reason().c_str());
      continue;
    }
    ++tried;
    ASSERT_EQ(description.frame_spec().format(), analyzer::v1::PIXEL_FORMAT_RGB24);
    for (const auto& [width, height] : {std::pair{1, 1}, {1, 4000}, {4000, 1}, {2, 3}, {4000, 4000}, {640, 360}}) {
      for (const bool noise : {false, true}) {
        SCOPED_TRACE(absl::StrCat(width, "x", height, noise ? " noise" : " gray"));
        const auto picture = Picture(width, height, noise);
        const auto response = service.Analyze({{description.name(), ""}}, picture);
        ASSERT_EQ(response.results_size(), 1);
        ASSERT_EQ(response.results(0).results_size(), 1) << response.results(0).failure().DebugString();
        const auto summary = service.Summarize(response.results(0), "", *picture);
        ASSERT_TRUE(summary.ok()) << summary.status();
        EXPECT_NE(summary->headline(), "");
        // Nobody and nothing is on a gray picture.
        EXPECT_TRUE(noise || summary->timeline_size() == 0) << summary->DebugString();
      }
    }
  }
  if (tried == 0) GTEST_SKIP() << "no models are installed; get them by: reelsight models pull --defaults";
}

}  // namespace
}  // namespace reelsight::detection
