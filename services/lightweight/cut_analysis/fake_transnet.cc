// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/fake_transnet.h"

#include <cstdlib>
#include <thread>

#include "services/lightweight/cut_analysis/thumbnail.h"
#include "shared/base/status.h"

namespace reelsight::cut_analysis {
namespace {

using inference::Sample;
using inference::Tensor;

constexpr int kWindow = 100;
// Mean absolute difference of neighbours of different shots, in levels.
constexpr int64_t kFar = 12;

}  // namespace

FakeTransNet::FakeTransNet() {
  entry_.set_name("transnetv2");
  entry_.set_cpu_only(true);
  entry_.set_version("1");
  entry_.set_task("cut_analysis");
  entry_.set_license("MIT");
  other_.set_name("other");
  other_.set_task("object_detection");
  inputs_.push_back({"frames", inference::DType::kUint8, {-1, kWindow, kThumbnailHeightPx, kThumbnailWidthPx, 3}});
  outputs_.push_back({"single_frame", inference::DType::kFloat32, {-1, kWindow}});
  outputs_.push_back({"many_hot", inference::DType::kFloat32, {-1, kWindow}});
}

absl::StatusOr<std::vector<Sample>> FakeTransNet::Run(const std::string& /*client*/, std::vector<Sample> samples,
                                                      const CancelToken& cancel) const {
  RETURN_IF_ERROR(cancel.status());
  RETURN_IF_ERROR(failure);
  ++calls_;
  while (calls_ < concurrent_runs) std::this_thread::yield();
  std::vector<Sample> outputs;
  for (const Sample& sample : samples) {
    ++runs_;
    RETURN_IF_ERROR(inference::CheckFits(inputs_[0], sample[0]));
    const auto pixels = sample[0].values<uint8_t>();
    Tensor boundary(inference::DType::kFloat32, {1, kWindow});
    for (int i = 0; i < kWindow; ++i) {
      int64_t sum = 0;
      if (i + 1 < kWindow) {
        for (size_t k = i * kThumbnailBytes; k < (i + 1) * kThumbnailBytes; ++k) {
          sum += std::abs(pixels[k] - pixels[k + kThumbnailBytes]);
        }
      }
      boundary.mutable_values<float>()[i] = sum > kFar * static_cast<int64_t>(kThumbnailBytes) ? 0.9F : 0.01F;
    }
    outputs.push_back({boundary, boundary});
  }
  return outputs;
}

absl::StatusOr<const config::v1::ModelEntry*> FakeTransNet::Entry(std::string_view name) const {
  if (name == entry_.name()) return &entry_;
  if (name == other_.name()) return &other_;
  return InvalidField("model", "no such model");
}

const config::v1::ModelEntry* FakeTransNet::DefaultFor(std::string_view task, std::string_view role) const {
  return task == entry_.task() && role == entry_.role() ? &entry_ : nullptr;
}

absl::Status FakeTransNet::Installed(std::string_view /*name*/) const {
  if (installed) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                   "transnetv2 is not installed; run: reelsight models pull transnetv2");
}

absl::StatusOr<inference::PinnedModel> FakeTransNet::Acquire(std::string_view name, const CancelToken& /*cancel*/) {
  RETURN_IF_ERROR(Installed(name));
  // Not owned.
  return inference::PinnedModel{std::shared_ptr<const Model>(std::shared_ptr<const Model>(), this), true};
}

}  // namespace reelsight::cut_analysis
