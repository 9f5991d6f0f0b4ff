// SPDX-License-Identifier: Apache-2.0
#include "services/model_analyzer/model_analyzer.h"

#include <algorithm>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/object_detection.pb.h"
#include "services/model_analyzer/target_pictures.h"
#include "shared/base/status.h"
#include "shared/testing/test_models.h"

namespace reelsight::model_analyzer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MadeModel;
using testing::MadeModels;
using v1::ObjectDetectionOptions;
using v1::ObjectDetectionResult;

// A network whose only output is the mean of the picture, and beside it one of another task.
void AddModels(MadeModels* made) {
  MadeModel mean{.name = "mean", .width_px = 4, .height_px = 4, .gain = 1, .more = "default_for_task: true"};
  mean.outputs = {{.shape = {1, 1}, .values = {0}}};
  MadeModel pose = mean;
  pose.name = "pose";
  pose.task = "body_pose";
  made->Add(mean);
  made->Add(pose);
}

// The whole of a new analyzer: how bright each frame is.
class Brightness final : public OneModelAnalyzer<ObjectDetectionOptions, ObjectDetectionResult> {
 public:
  explicit Brightness(inference::ModelSource& models)
      : OneModelAnalyzer({.name = "object_detection", .description = "Brightness", .max_side_px = 8}, models) {}

 private:
  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view,
                                                        const ObjectDetectionOptions& /*options*/,
                                                        const inference::Model& model,
                                                        const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(const PlacedOutputs placed,
                     RunOnTargets(view, model, cancel, {.width_px = 4, .height_px = 4, .scale = {1, 1, 1}}));
    std::vector<std::string> payloads;
    for (const inference::Sample& output : placed.outputs) {
      payloads.push_back(std::to_string(std::lround(output[0].values<float>()[0])));
    }
    return payloads;
  }
  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const ObjectDetectionOptions& /*options*/,
                      const config::v1::ModelEntry& entry, const CancelToken& /*cancel*/, ObjectDetectionResult* result,
                      analyzer::v1::SummarizeResponse* response) const override {
    for (const auto& frame : request.results()) result->add_tracks()->set_label(frame.payload());
    response->set_headline(entry.name());
    return absl::OkStatus();
  }
};

std::shared_ptr<const analysis::Image> Picture(uint8_t value) {
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kRgb24, analysis::ImageSize{8, 8});
  std::fill_n(image->mutable_plane(0), image->bytes().size(), value);
  return image;
}

class ModelAnalyzerTest : public ::testing::Test {
 protected:
  ModelAnalyzerTest() {
    AddModels(&made_);
    models_ = made_.Open();
  }

  MadeModels made_;
  std::unique_ptr<testing::TestModels> models_;
};

TEST_F(ModelAnalyzerTest, ANamedModelGoesBeforeTheDefault) {
  inference::ModelSource& source = models_->runtime();
  EXPECT_EQ((*ChooseModel(source, "object_detection", "mean"))->name(), "mean");
  EXPECT_EQ((*ChooseModel(source, "object_detection", ""))->task(), "object_detection");
  const absl::Status other = ChooseModel(source, "object_detection", "pose").status();
  EXPECT_EQ(GetReason(other), "INVALID_FIELD");
  EXPECT_EQ(GetMetadata(other, "field"), "options.object_detection.model");
  EXPECT_THAT(std::string(other.message()), HasSubstr("pose is for body_pose, not for object_detection"));
  EXPECT_EQ(GetReason(ChooseModel(source, "object_detection", "absent").status()), "INVALID_FIELD");
  const absl::Status none = ChooseModel(source, "sharpness", "").status();
  EXPECT_EQ(none.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(none), "WEIGHTS_MISSING");
}

TEST_F(ModelAnalyzerTest, LabelsAndScoresComeFromTheEntry) {
  config::v1::ModelEntry entry;
  entry.add_labels("cat");
  entry.add_labels("");
  EXPECT_EQ(LabelOf(entry, 0), "cat");
  EXPECT_EQ(LabelOf(entry, 1), "class 1");
  EXPECT_EQ(LabelOf(entry, -1), "class -1");
  ObjectDetectionOptions options;
  EXPECT_EQ(MinScore(options, entry, 0.5F), 0.5F);
  entry.set_min_score(0.25F);
  EXPECT_EQ(MinScore(options, entry, 0.5F), 0.25F);
  options.set_min_score(0);
  EXPECT_EQ(MinScore(options, entry, 0.5F), 0);
}

TEST_F(ModelAnalyzerTest, ResultsNameTheMainModelFirst) {
  EXPECT_THAT((UsedModels{{"a", "b", "c", "d"}, 2}).main_first(), ElementsAre("c", "a", "b", "d"));
  EXPECT_THAT((UsedModels{{"a"}}).main_first(), ElementsAre("a"));
}

TEST_F(ModelAnalyzerTest, AFewLinesMakeAnAnalyzer) {
  Brightness analyzer(models_->runtime());
  const analyzer::v1::AnalyzerDescription description = analyzer.Describe();
  EXPECT_EQ(description.result_type(), "reelsight.v1.ObjectDetectionResult");
  EXPECT_EQ(description.frame_spec().max_side_px(), 8);
  EXPECT_TRUE(description.depends_on().empty());

  ObjectDetectionOptions options;
  options.set_model("mean");
  google::protobuf::Any any;
  any.PackFrom(options);
  const analysis::Frame frames[] = {
      {0, absl::ZeroDuration(), Picture(10)}, {1, absl::Seconds(1), Picture(20)}, {2, absl::Seconds(2), Picture(30)}};
  analysis::BatchView view;
  view.options = &any;
  view.items = {{&frames[0], true}, {&frames[1], false}, {&frames[2], true}};
  const auto payloads = analyzer.AnalyzeFrames(view, CancelToken());
  ASSERT_TRUE(payloads.ok()) << payloads.status();
  EXPECT_THAT(*payloads, ElementsAre("10", "30"));

  analyzer::v1::SummarizeRequest request;
  *request.mutable_options() = any;
  for (const std::string& payload : *payloads) request.add_results()->set_payload(payload);
  const auto response = analyzer.Summarize(request, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->headline(), "mean");
  EXPECT_EQ(response->model().name(), "mean");
  ObjectDetectionResult result;
  ASSERT_TRUE(response->typed().UnpackTo(&result));
  EXPECT_EQ(result.tracks(1).label(), "30");

  const CancelToken cancelled;
  cancelled.Cancel();
  EXPECT_TRUE(absl::IsCancelled(analyzer.Summarize(request, cancelled).status()));
  EXPECT_TRUE(absl::IsCancelled(analyzer.AnalyzeFrames(view, cancelled).status()));
}

}  // namespace
}  // namespace reelsight::model_analyzer
