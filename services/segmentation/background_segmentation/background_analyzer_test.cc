// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/background_analyzer.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/background_segmentation.pb.h"
#include "services/frame_payload/payload_test_support.h"
#include "services/segmentation/background_segmentation/background_payload.h"
#include "services/segmentation/background_segmentation/segmenter.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/inference/model_runtime.h"
#include "shared/testing/analyzer_driver.h"

namespace reelsight::background_segmentation {
namespace {

using inference::DType;
using inference::Sample;
using inference::Tensor;
using testing::AnalyzerDriver;
using ::testing::HasSubstr;
using v1::BackgroundSegmentationOptions;
using Result = v1::BackgroundSegmentationResult;

constexpr absl::Duration kInterval = absl::Milliseconds(500);

// A network of RVM's shape to which red is a person, and its source.
class RedIsAPerson final : public inference::Model, public inference::ModelSource {
 public:
  RedIsAPerson() {
    entry_.set_name("red");
    entry_.set_version("1");
    entry_.set_task("background_segmentation");
    entry_.set_license("MIT");
    entry_.set_family("rvm");
    inputs_.push_back({"src", DType::kFloat32, {-1, 3, -1, -1}});
    inputs_.push_back({"r1i", DType::kFloat32, {-1, 16, -1, -1}});
    inputs_.push_back({"r4i", DType::kFloat32, {-1, 64, -1, -1}});
    outputs_.push_back({"fgr", DType::kFloat32, {-1, 3, -1, -1}});
    outputs_.push_back({"pha", DType::kFloat32, {-1, 1, -1, -1}});
  }
  const config::v1::ModelEntry& entry() const override { return entry_; }
  const std::vector<inference::TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<inference::TensorSpec>& outputs() const override { return outputs_; }
  absl::StatusOr<std::vector<Sample>> Run(const std::string& /*client*/, std::vector<Sample> samples,
                                          const CancelToken& cancel) const override {
    RETURN_IF_ERROR(cancel.status());
    std::vector<Sample> outputs;
    for (const Sample& sample : samples) {
      const inference::Shape& shape = sample[0].shape();
      EXPECT_EQ(shape[2] % 16 + shape[3] % 16, 0);
      EXPECT_EQ(sample[1].shape(), (inference::Shape{1, 16, shape[2] / 2, shape[3] / 2}));
      EXPECT_EQ(sample[2].shape(), (inference::Shape{1, 64, shape[2] / 16, shape[3] / 16}));
      const auto state = sample[2].values<float>();
      EXPECT_TRUE(std::all_of(state.begin(), state.end(), [](float value) { return value == 0; }));
      Tensor matte(DType::kFloat32, {1, wrong_shape ? 2 : 1, shape[2], shape[3]});
      const auto red = sample[0].values<float>();
      for (int64_t i = 0; i < matte.count(); ++i) matte.mutable_values<float>()[i] = red[i];
      outputs.push_back({sample[0], matte});
    }
    return outputs;
  }
  absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const override {
    if (name == entry_.name()) return &entry_;
    return InvalidField("model", "no such model");
  }
  const config::v1::ModelEntry* DefaultFor(std::string_view /*task*/, std::string_view /*role*/) const override {
    return &entry_;
  }
  absl::Status Installed(std::string_view /*name*/) const override {
    if (installed) return absl::OkStatus();
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing, "pull red");
  }
  absl::StatusOr<inference::PinnedModel> Acquire(std::string_view name, const CancelToken& /*cancel*/) override {
    RETURN_IF_ERROR(Installed(name));
    return inference::PinnedModel{std::shared_ptr<const Model>(std::shared_ptr<const Model>(), this), true};
  }
  void set_family(const std::string& family) { entry_.set_family(family); }

  bool installed = true;
  bool wrong_shape = false;

 private:
  config::v1::ModelEntry entry_;
  std::vector<inference::TensorSpec> inputs_;
  std::vector<inference::TensorSpec> outputs_;
};

// Black, with the left `share` of the picture red.
std::shared_ptr<const analysis::Image> Picture(double share, analysis::ImageSize size = {96, 64}) {
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kRgb24, size);
  uint8_t* pixel = image->mutable_plane(0);
  for (int i = 0; i < size.width_px * size.height_px; ++i, pixel += 3) {
    pixel[0] = i % size.width_px < share * size.width_px ? 255 : 0;
    pixel[1] = pixel[2] = 0;
  }
  return image;
}

class BackgroundAnalyzerTest : public ::testing::Test {
 protected:
  static Result Unpack(const absl::StatusOr<analyzer::v1::SummarizeResponse>& response) {
    EXPECT_TRUE(response.ok()) << response.status();
    Result result;
    EXPECT_TRUE(response.ok() && response->typed().UnpackTo(&result));
    return result;
  }
  // The one frame result of `image` under `options`.
  absl::StatusOr<Result::Frame> Analyze(const std::shared_ptr<const analysis::Image>& image,
                                        const BackgroundSegmentationOptions& options) {
    const std::unique_ptr<analysis::Analyzer> analyzer = MakeBackgroundAnalyzer(network_);
    google::protobuf::Any any;
    any.PackFrom(options);
    const analysis::Frame frame{0, absl::ZeroDuration(), image};
    analysis::BatchView view;
    view.options = &any;
    view.items.push_back({&frame, true});
    ASSIGN_OR_RETURN(const std::vector<std::string> payloads, analyzer->AnalyzeFrames(view, CancelToken()));
    return DecodeFrame(payloads[0]);
  }

  RedIsAPerson network_;
  AnalyzerDriver driver_{MakeBackgroundAnalyzer(network_), kInterval};
};

TEST_F(BackgroundAnalyzerTest, SharesOverTime) {
  const AnalyzerDriver::Pictures pictures = {Picture(0), Picture(0.25), Picture(0.75), Picture(0), Picture(0.5)};
  const analyzer::v1::SummarizeRequest request = driver_.MakeRequest(pictures);
  const auto response = driver_.Summarize(request);
  const Result result = Unpack(response);
  ASSERT_EQ(result.frames_size(), 5);
  EXPECT_NEAR(result.frames(1).foreground_share(), 0.25, 0.02);
  EXPECT_NEAR(result.foreground_share(), 0.3, 0.02);
  EXPECT_FALSE(result.frames(1).has_mask());
  EXPECT_EQ(analysis::FromProto(result.frames(2).offset()), 2 * kInterval);
  ASSERT_EQ(response->timeline_size(), 2);
  EXPECT_EQ(analysis::FromProto(response->timeline(0).start_offset()), kInterval);
  EXPECT_EQ(analysis::FromProto(response->timeline(0).end_offset()), 3 * kInterval);
  EXPECT_EQ(analysis::FromProto(response->timeline(1).end_offset()), 5 * kInterval);
  EXPECT_THAT(response->timeline(0).label(), HasSubstr("people, 50%"));
  EXPECT_THAT(response->headline(), HasSubstr("people in 3 of 5 frames"));
  EXPECT_EQ(response->model().name(), "red");
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    const auto split = driver_.Summarize(driver_.MakeRequest(pictures, AnalyzerDriver::ShuffledBatches(5, seed)));
    EXPECT_EQ(split->SerializeAsString(), response->SerializeAsString());
  }
}

TEST_F(BackgroundAnalyzerTest, MasksAreOfTheSizeAskedFor) {
  BackgroundSegmentationOptions options;
  options.set_mask_format(BackgroundSegmentationOptions::RLE);
  options.set_mask_max_side_px(48);
  const auto run_lengths = Analyze(Picture(0.5), options);
  ASSERT_TRUE(run_lengths.ok()) << run_lengths.status();
  EXPECT_EQ(run_lengths->mask().width_px(), 48);
  EXPECT_EQ(run_lengths->mask().height_px(), 32);
  const auto& lengths = run_lengths->mask().rle().lengths();
  EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), 0), 48 * 32);
  EXPECT_EQ(lengths[0], 0);
  EXPECT_NEAR(lengths[1], 24, 1);
  options.set_mask_format(BackgroundSegmentationOptions::PNG);
  EXPECT_THAT(Analyze(Picture(0.5), options)->mask().png(), HasSubstr("PNG"));
}

TEST_F(BackgroundAnalyzerTest, MasksBeyondTheLimitAreLeftOut) {
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest({Picture(0.1), Picture(0.2), Picture(0.3)});
  for (analyzer::v1::FrameResult& frame : *request.mutable_results()) {
    auto payload = DecodeFrame(frame.payload());
    ASSERT_TRUE(payload.ok()) << payload.status();
    payload->mutable_mask()->set_png(std::string(7 << 20, 'x'));
    frame.set_payload(EncodeFrame(*std::move(payload)));
  }
  const auto response = driver_.Summarize(request);
  const Result result = Unpack(response);
  EXPECT_TRUE(result.frames(1).has_mask());
  EXPECT_FALSE(result.frames(2).has_mask());
  EXPECT_THAT(response->warning(), HasSubstr("last 1 frames"));
}

TEST_F(BackgroundAnalyzerTest, FrameResultsOfAnotherVersionAreRefused) {
  analyzer::v1::SummarizeRequest request = driver_.MakeRequest({Picture(0.1), Picture(0.2)});
  const std::string good = request.results(1).payload();
  const int known = frame_payload::VersionOfForTest(good);
  for (const int version : {known + 1, known - 1}) {
    request.mutable_results(1)->set_payload(frame_payload::WithVersionForTest(good, version));
    frame_payload::ExpectVersionRefused(driver_.Summarize(request).status(), version, known);
  }
  for (const std::string& bad : {std::string(), std::string("other"), good.substr(0, good.size() - 1)}) {
    request.mutable_results(1)->set_payload(bad);
    EXPECT_EQ(GetReason(driver_.Summarize(request).status()), "BAD_FRAME");
  }
}

TEST_F(BackgroundAnalyzerTest, AnyPictureWillDo) {
  for (const analysis::ImageSize size : {analysis::ImageSize{1, 1}, analysis::ImageSize{512, 2},
                                         analysis::ImageSize{3, 511}, analysis::ImageSize{512, 288}}) {
    const auto frame = Analyze(Picture(1, size), {});
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_EQ(frame->foreground_share(), 1);
  }
}

TEST_F(BackgroundAnalyzerTest, WhatIsWrongIsNamed) {
  BackgroundSegmentationOptions options;
  options.set_model("unknown");
  EXPECT_EQ(Analyze(Picture(1), options).status().code(), absl::StatusCode::kInvalidArgument);
  options.Clear();
  network_.wrong_shape = true;
  EXPECT_EQ(GetReason(Analyze(Picture(1), options).status()), "INVALID_MODEL_OUTPUT");
  network_.wrong_shape = false;
  network_.set_family("segformers");
  EXPECT_THAT(std::string(Analyze(Picture(1), options).status().message()), HasSubstr("rvm, selfie, segformer"));
  network_.set_family("selfie");
  EXPECT_EQ(GetReason(Analyze(Picture(1), options).status()), "INVALID_MODEL_OUTPUT") << "it has more inputs";
  network_.set_family("rvm");
  network_.installed = false;
  EXPECT_EQ(GetReason(Analyze(Picture(1), options).status()), "WEIGHTS_MISSING");
  EXPECT_FALSE(MakeBackgroundAnalyzer(network_)->Describe().available());
  EXPECT_EQ(MakeBackgroundAnalyzer(network_)->Describe().unavailable_reason(), "pull red");
}

}  // namespace
}  // namespace reelsight::background_segmentation
