// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/segmenter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "opencv2/imgproc.hpp"
#include "shared/base/status.h"

namespace reelsight::background_segmentation {
namespace {

using analysis::ImageSize;
using inference::DType;
using inference::Sample;
using inference::Tensor;
using inference::TensorSpec;

// Longest side of a network's input where it takes any size; a multiple of kSideStep. Larger ones lose people who
// fill the picture.
constexpr int kFreeSidePx = 256;
constexpr int kSideStep = 16;
constexpr int kMaxClasses = 256;

int FreeSide(int px, int longest_px) {
  const double scaled = static_cast<double>(px) * kFreeSidePx / longest_px;
  return std::max(kSideStep, kSideStep * static_cast<int>(std::lround(scaled / kSideStep)));
}

// Of the recurrent state named `r1i` to `r4i`: half as many pixels each way from one to the next.
int StateReduction(const std::string& name) {
  if (name.size() == 3 && name[0] == 'r' && name[2] == 'i' && name[1] >= '1' && name[1] <= '4') {
    return 1 << (name[1] - '0');
  }
  return 0;
}

}  // namespace

absl::Status Segmenter::WrongModel(const std::string& what) const {
  return MakeError(absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
                   absl::StrCat("background_segmentation: model ", model_.entry().name(), " is none of the family ",
                                model_.entry().family(), ": ", what));
}

absl::StatusOr<Segmenter> Segmenter::Create(const inference::Model& model) {
  const config::v1::ModelEntry& entry = model.entry();
  Family family;
  if (entry.family() == "rvm") {
    family = Family::kRvm;
  } else if (entry.family() == "selfie") {
    family = Family::kSelfie;
  } else if (entry.family() == "segformer") {
    family = Family::kSegformer;
  } else {
    return InvalidField("background_segmentation.model", absl::StrCat(entry.name(), " is of family `", entry.family(),
                                                                      "`; known: rvm, selfie, segformer"));
  }
  Segmenter segmenter(model, family);
  const auto is_picture = [](const TensorSpec& spec) { return spec.shape.size() == 4 && spec.shape[1] == 3; };
  const auto picture = std::find_if(model.inputs().begin(), model.inputs().end(), is_picture);
  if (picture == model.inputs().end() || picture->type != DType::kFloat32) {
    return segmenter.WrongModel("no input [n, 3, height, width] of float32");
  }
  segmenter.picture_ = static_cast<size_t>(picture - model.inputs().begin());
  for (const TensorSpec& spec : model.inputs()) {
    const bool is_state = family == Family::kRvm && spec.shape.size() == 4 && StateReduction(spec.name) > 0;
    if (&spec != &*picture && !is_state) return segmenter.WrongModel(absl::StrCat("unknown input ", spec.name));
  }
  const auto is_answer = [&](const TensorSpec& spec) {
    if (spec.shape.size() != 4 || spec.type != DType::kFloat32) return false;
    if (family == Family::kSegformer) return true;
    return spec.shape[1] == 1 && (family != Family::kRvm || spec.name == "pha" || model.outputs().size() == 1);
  };
  const auto answer = std::find_if(model.outputs().begin(), model.outputs().end(), is_answer);
  if (answer == model.outputs().end()) return segmenter.WrongModel("no output of the right shape");
  segmenter.answer_ = static_cast<size_t>(answer - model.outputs().begin());

  inference::ImageTensorOptions& input = segmenter.input_;
  input.height_px = static_cast<int>(picture->shape[2] > 0 ? picture->shape[2] : entry.input().height_px());
  input.width_px = static_cast<int>(picture->shape[3] > 0 ? picture->shape[3] : entry.input().width_px());
  input.bgr = entry.input().bgr();
  if (family == Family::kSegformer) {
    // Those of ImageNet.
    input.mean = {123.675F, 116.28F, 103.53F};
    input.scale = {1 / 58.395F, 1 / 57.12F, 1 / 57.375F};
    if (input.width_px <= 0) input.width_px = 512;
    if (input.height_px <= 0) input.height_px = 512;
  } else {
    input.scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F};
  }
  if (entry.input().mean_size() == 3) std::copy_n(entry.input().mean().begin(), 3, input.mean.begin());
  if (entry.input().scale_size() == 3) std::copy_n(entry.input().scale().begin(), 3, input.scale.begin());
  return segmenter;
}

absl::StatusOr<Sample> Segmenter::MakeSample(const analysis::Image& image) const {
  inference::ImageTensorOptions input = input_;
  const int longest_px = std::max(image.width_px(), image.height_px());
  if (input.width_px <= 0) input.width_px = FreeSide(image.width_px(), longest_px);
  if (input.height_px <= 0) input.height_px = FreeSide(image.height_px(), longest_px);
  ASSIGN_OR_RETURN(inference::PlacedTensor placed, inference::ToTensor(image, input));
  Sample sample;
  for (size_t i = 0; i < model_.inputs().size(); ++i) {
    if (i == picture_) {
      sample.push_back(placed.tensor);
      continue;
    }
    const TensorSpec& spec = model_.inputs()[i];
    const int reduction = StateReduction(spec.name);
    Tensor state(DType::kFloat32, {1, spec.shape[1], input.height_px / reduction, input.width_px / reduction});
    std::memset(state.mutable_raw(), 0, static_cast<size_t>(state.bytes()));
    sample.push_back(std::move(state));
  }
  return sample;
}

absl::StatusOr<Segmentation> Segmenter::Read(const Sample& outputs, ImageSize size) const {
  if (outputs.size() <= answer_) return WrongModel("too few outputs");
  const Tensor& answer = outputs[answer_];
  const inference::Shape& shape = answer.shape();
  const bool classes = family_ == Family::kSegformer;
  if (shape.size() != 4 || shape[0] != 1 || shape[1] < 1 || shape[1] > (classes ? kMaxClasses : 1) || shape[2] < 1 ||
      shape[3] < 1 || answer.type() != DType::kFloat32) {
    return WrongModel(absl::StrCat("an output ", inference::ShapeText(shape)));
  }
  Segmentation segmentation;
  if (classes) {
    segmentation.classes = EnlargedArgmax(answer, size);
    return segmentation;
  }
  const cv::Mat small(static_cast<int>(shape[2]), static_cast<int>(shape[3]), CV_32FC1,
                      const_cast<void*>(answer.raw()));
  cv::Mat large;
  cv::resize(small, large, cv::Size(size.width_px, size.height_px), 0, 0, cv::INTER_LINEAR);
  GreyImage matte{size, {}};
  matte.pixels.resize(static_cast<size_t>(size.width_px) * size.height_px);
  cv::Mat grey(size.height_px, size.width_px, CV_8UC1, matte.pixels.data());
  large.convertTo(grey, CV_8UC1, 255);
  segmentation.matte = std::move(matte);
  return segmentation;
}

}  // namespace reelsight::background_segmentation
