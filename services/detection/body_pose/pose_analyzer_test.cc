// SPDX-License-Identifier: Apache-2.0
//
// The analyzer with a network made here: it finds the white part of the picture and calls it a person.
#include "services/detection/body_pose/pose_analyzer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/body_pose.pb.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/detection/body_pose/pose.h"
#include "services/detection/body_pose/pose_payload.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/inference/boxes.h"
#include "shared/testing/analyzer_driver.h"

namespace reelsight::body_pose {
namespace {

using analysis::Image;
using config::v1::ModelEntry;
using inference::DType;
using inference::Sample;
using inference::Tensor;
using inference::TensorSpec;
using testing::AnalyzerDriver;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kInput = 64;
constexpr int kNumbers = 56;

// One row of MoveNet's output; all joints in the middle of the box, scored as it is.
void PutPerson(const inference::Box& box, float score, float* row) {
  for (int joint = 0; joint < 17; ++joint) {
    row[3 * joint] = (box.top + box.bottom) / 2;
    row[3 * joint + 1] = (box.left + box.right) / 2;
    row[3 * joint + 2] = score;
  }
  const float numbers[] = {box.top, box.left, box.bottom, box.right, score};
  std::copy(std::begin(numbers), std::end(numbers), row + 51);
}

class FakePoseNet final : public inference::Model {
 public:
  explicit FakePoseNet(const ModelEntry* entry) : entry_(entry) {}
  const ModelEntry& entry() const override { return *entry_; }
  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  absl::StatusOr<std::vector<Sample>> Run(const std::string& /*client*/, std::vector<Sample> samples,
                                          const CancelToken& /*cancel*/) const override {
    std::vector<Sample> results;
    for (const Sample& sample : samples) results.push_back({Look(sample[0])});
    return results;
  }

  // The score of a person is its brightness.
  static Tensor Look(const Tensor& input) {
    Tensor output(DType::kFloat32, {1, 6, kNumbers});
    const std::span<float> rows = output.mutable_values<float>();
    std::fill(rows.begin(), rows.end(), 0.0F);
    const float* const red = input.values<float>().data();
    int left = kInput, right = -1, top = kInput, bottom = -1;
    float brightest = 0;
    for (int y = 0; y < kInput; ++y) {
      for (int x = 0; x < kInput; ++x) {
        const float value = red[y * kInput + x];
        if (value < 20) continue;
        brightest = std::max(brightest, value);
        left = std::min(left, x);
        right = std::max(right, x);
        top = std::min(top, y);
        bottom = std::max(bottom, y);
      }
    }
    const auto share = [](int pixel) { return static_cast<float>(pixel) / kInput; };
    if (right >= 0) {
      PutPerson({share(left), share(top), share(right + 1), share(bottom + 1)}, brightest / 255, rows.data());
    }
    return output;
  }

 private:
  const ModelEntry* const entry_;
  const std::vector<TensorSpec> inputs_ = {{"input", DType::kFloat32, {-1, 3, kInput, kInput}}};
  const std::vector<TensorSpec> outputs_ = {{"output_0", DType::kFloat32, {-1, 6, kNumbers}}};
};

// Puts out what no pose network does.
class WrongNet final : public inference::Model {
 public:
  explicit WrongNet(const ModelEntry* entry) : entry_(entry) {}
  const ModelEntry& entry() const override { return *entry_; }
  const std::vector<TensorSpec>& inputs() const override { return specs_; }
  const std::vector<TensorSpec>& outputs() const override { return specs_; }
  absl::StatusOr<std::vector<Sample>> Run(const std::string& /*client*/, std::vector<Sample> samples,
                                          const CancelToken& /*cancel*/) const override {
    Tensor output(DType::kFloat32, {1, 6, 51});
    std::memset(output.mutable_raw(), 0, static_cast<size_t>(output.bytes()));
    return std::vector<Sample>(samples.size(), {output});
  }

 private:
  const ModelEntry* const entry_;
  const std::vector<TensorSpec> specs_;
};

class FakeModels final : public inference::ModelSource {
 public:
  FakeModels() {
    for (const auto& [name, task] :
         {std::pair("blocks", "body_pose"), std::pair("wrong", "body_pose"), std::pair("boxes", "object_detection")}) {
      ModelEntry& entry = entries_.emplace_back();
      entry.set_name(name);
      entry.set_task(task);
      entry.set_family("movenet_multipose");
      entry.mutable_input()->set_width_px(kInput);
      entry.mutable_input()->set_height_px(kInput);
    }
  }
  absl::StatusOr<const ModelEntry*> Entry(std::string_view name) const override {
    for (const ModelEntry& entry : entries_) {
      if (entry.name() == name) return &entry;
    }
    return InvalidField("model", absl::StrCat("no model ", std::string(name)));
  }
  const ModelEntry* DefaultFor(std::string_view /*task*/, std::string_view /*role*/) const override {
    return &entries_[0];
  }
  absl::Status Installed(std::string_view /*name*/) const override { return absl::OkStatus(); }
  absl::StatusOr<inference::PinnedModel> Acquire(std::string_view name, const CancelToken& /*cancel*/) override {
    ASSIGN_OR_RETURN(const ModelEntry* const entry, Entry(name));
    if (name == "wrong") return inference::PinnedModel{std::make_shared<WrongNet>(entry), true};
    return inference::PinnedModel{std::make_shared<FakePoseNet>(entry), true};
  }

 private:
  std::vector<ModelEntry> entries_;
};

// Black but for a rectangle in pixels.
std::shared_ptr<const Image> Picture(int width, int height, const inference::Box& rectangle, int value = 255) {
  auto image = std::make_shared<Image>(analysis::PixelFormat::kRgb24, analysis::ImageSize{width, height});
  uint8_t* const pixels = image->mutable_plane(0);
  std::memset(pixels, 0, static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (int y = static_cast<int>(rectangle.top); y < static_cast<int>(rectangle.bottom); ++y) {
    for (int x = static_cast<int>(rectangle.left); x < static_cast<int>(rectangle.right); ++x) {
      std::memset(pixels + 3 * (static_cast<ptrdiff_t>(y) * width + x), value, 3);
    }
  }
  return image;
}

struct Outcome {
  v1::BodyPoseResult result;
  analyzer::v1::SummarizeResponse response;
};

Outcome Analyze(const AnalyzerDriver::Pictures& pictures, const v1::BodyPoseOptions& options = {},
                const std::vector<double>& shot_starts = {}) {
  FakeModels models;
  AnalyzerDriver driver(MakePoseAnalyzer(models), absl::Milliseconds(200));
  analyzer::v1::SummarizeRequest request = driver.MakeRequest(pictures);
  request.mutable_options()->PackFrom(options);
  request.set_sample_fps(5);
  if (!shot_starts.empty()) {
    v1::CutAnalysisResult cuts;
    for (const double start : shot_starts) {
      *cuts.add_shots()->mutable_start_offset() = analysis::ToProto(absl::Seconds(start));
    }
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("cut_analysis");
    dependency.mutable_summary()->mutable_typed()->PackFrom(cuts);
  }
  Outcome outcome;
  outcome.response = *driver.Summarize(request);
  EXPECT_TRUE(outcome.response.typed().UnpackTo(&outcome.result));
  return outcome;
}

std::vector<int> Lengths(const v1::BodyPoseResult& result) {
  std::vector<int> lengths;
  for (const auto& track : result.tracks()) lengths.push_back(track.observations_size());
  return lengths;
}

TEST(PoseAnalyzerTest, APersonInEveryFrameIsOneTrackInTheRightPlace) {
  AnalyzerDriver::Pictures pictures;
  for (int i = 0; i < 10; ++i) {
    const auto x = static_cast<float>(32 + 4 * i);
    pictures.push_back(Picture(256, 128, {x, 32, x + 32, 96}));
  }
  const Outcome outcome = Analyze(pictures);
  ASSERT_THAT(Lengths(outcome.result), ElementsAre(10));
  EXPECT_EQ(outcome.result.most_at_once(), 1);
  const auto& last = *outcome.result.tracks(0).observations().rbegin();
  EXPECT_NEAR(last.box().left(), 68.0 / 256, 0.02);
  EXPECT_NEAR(last.box().right(), 100.0 / 256, 0.02);
  EXPECT_NEAR(last.box().top(), 0.25, 0.04);
  EXPECT_NEAR(last.box().bottom(), 0.75, 0.04);
  ASSERT_EQ(last.keypoints_size(), 17);
  EXPECT_EQ(last.keypoints(9).name(), "left_wrist");
  EXPECT_NEAR(last.keypoints(9).y(), 0.5, 0.02);
  EXPECT_EQ(outcome.response.model().name(), "blocks");
  EXPECT_EQ(outcome.response.timeline_size(), 1);
}

TEST(PoseAnalyzerTest, TracksEndAtCuts) {
  const auto picture = Picture(64, 64, {16, 16, 48, 60});
  EXPECT_THAT(Lengths(Analyze(AnalyzerDriver::Pictures(8, picture), {}, {0, 0.7}).result), ElementsAre(4, 4));
}

TEST(PoseAnalyzerTest, NobodyIsAResult) {
  const Outcome outcome = Analyze(AnalyzerDriver::Pictures(4, Picture(64, 64, {})));
  EXPECT_EQ(outcome.result.tracks_size(), 0);
  EXPECT_EQ(outcome.response.headline(), "nobody");
  EXPECT_EQ(outcome.response.timeline_size(), 0);
}

TEST(PoseAnalyzerTest, TheThresholdIsTheCallers) {
  const auto picture = Picture(64, 64, {16, 16, 48, 60}, 128);
  v1::BodyPoseOptions options;
  options.set_min_score(0.6F);
  EXPECT_THAT(Lengths(Analyze({picture, picture}, options).result), ElementsAre());
  options.set_min_score(0.4F);
  EXPECT_THAT(Lengths(Analyze({picture, picture}, options).result), ElementsAre(2));
}

TEST(PoseAnalyzerTest, SmallestAndLargePictures) {
  for (const auto& picture :
       {Picture(1, 1, {0, 0, 1, 1}), Picture(4000, 2, {0, 0, 4000, 2}), Picture(4000, 3000, {1000, 600, 2000, 2400})}) {
    const Outcome outcome = Analyze({picture});
    for (const auto& track : outcome.result.tracks()) {
      EXPECT_GE(track.observations(0).box().left(), 0);
      EXPECT_LE(track.observations(0).box().right(), 1);
    }
  }
  const Outcome large = Analyze({Picture(4000, 3000, {1000, 600, 2000, 2400})});
  ASSERT_THAT(Lengths(large.result), ElementsAre(1));
  EXPECT_NEAR(large.result.tracks(0).observations(0).box().left(), 0.25, 0.02);
  EXPECT_NEAR(large.result.tracks(0).observations(0).box().bottom(), 0.8, 0.02);
}

// What one frame comes to.
absl::StatusOr<std::vector<Pose>> PosesOf(const std::shared_ptr<const Image>& picture,
                                          const v1::BodyPoseOptions& options) {
  FakeModels models;
  const auto analyzer = MakePoseAnalyzer(models);
  analysis::Frame frame;
  frame.image = picture;
  google::protobuf::Any packed;
  packed.PackFrom(options);
  analysis::BatchView view;
  view.options = &packed;
  view.items = {{.frame = &frame}};
  ASSIGN_OR_RETURN(const std::vector<std::string> payloads, analyzer->AnalyzeFrames(view, CancelToken()));
  return DecodePoses(payloads.at(0));
}

absl::Status ErrorWith(const std::string& model) {
  v1::BodyPoseOptions options;
  options.set_model(model);
  return PosesOf(Picture(64, 64, {16, 16, 48, 60}), options).status();
}

TEST(PoseAnalyzerTest, ASecondLookIsMoreExact) {
  // 13 x 39 pixels of 640: about one and four pixels of the input.
  const auto picture = Picture(640, 640, {401, 203, 414, 242});
  v1::BodyPoseOptions options;
  const auto error = [&] {
    const auto poses = PosesOf(picture, options);
    if (!poses.ok() || poses->size() != 1) return 1.0F;
    return std::abs((*poses)[0].box.left - 401.0F / 640) + std::abs((*poses)[0].box.bottom - 242.0F / 640);
  };
  EXPECT_GT(error(), 0.004F);
  EXPECT_LT(error(), 0.1F);
  options.set_refine_joints(true);
  EXPECT_LT(error(), 0.003F);
  // Where nobody is, nothing is looked at.
  EXPECT_TRUE(PosesOf(Picture(64, 64, {}), options)->empty());
}

TEST(PoseAnalyzerTest, WrongOutputsNameTheModelAndTheShape) {
  const absl::Status status = ErrorWith("wrong");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(GetReason(status), "INVALID_MODEL_OUTPUT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("model wrong"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("[1, 6, 51]"));
}

TEST(PoseAnalyzerTest, ModelsOfOtherTasksAreRefused) {
  EXPECT_EQ(GetReason(ErrorWith("boxes")), "INVALID_FIELD");
  EXPECT_EQ(GetReason(ErrorWith("nothing")), "INVALID_FIELD");
}

}  // namespace
}  // namespace reelsight::body_pose
