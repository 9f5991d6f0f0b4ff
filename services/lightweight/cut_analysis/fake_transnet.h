// SPDX-License-Identifier: Apache-2.0
//
// For tests: a network of TransNetV2's shape that calls a frame the last of its shot if the next one is far from it,
// and its source.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "shared/inference/model_source.h"

namespace reelsight::cut_analysis {

// Thread-safe, but for its public fields, which are set before use.
class FakeTransNet final : public inference::Model, public inference::ModelSource {
 public:
  FakeTransNet();

  // inference::Model.
  const config::v1::ModelEntry& entry() const override { return entry_; }
  const std::vector<inference::TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<inference::TensorSpec>& outputs() const override { return outputs_; }
  absl::StatusOr<std::vector<inference::Sample>> Run(const std::string& client, std::vector<inference::Sample> samples,
                                                     const CancelToken& cancel) const override;
  int concurrency() const override { return concurrent_runs; }

  // inference::ModelSource: this network under the name `transnetv2`, and `other` of another task.
  absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const override;
  const config::v1::ModelEntry* DefaultFor(std::string_view task, std::string_view role) const override;
  absl::Status Installed(std::string_view name) const override;
  absl::StatusOr<inference::PinnedModel> Acquire(std::string_view name, const CancelToken& cancel) override;
  std::string device() const override { return beside_gpu ? "cuda:0" : "cpu"; }

  int runs() const { return runs_; }

  bool installed = true;
  // Others of its source run on a GPU; this one runs on the CPU anyway.
  bool beside_gpu = false;
  // What Run answers; OK: it runs.
  absl::Status failure;
  // The first run ends only when so many are under way.
  int concurrent_runs = 1;

 private:
  config::v1::ModelEntry entry_;
  config::v1::ModelEntry other_;
  std::vector<inference::TensorSpec> inputs_;
  std::vector<inference::TensorSpec> outputs_;
  mutable std::atomic<int> runs_ = 0;
  mutable std::atomic<int> calls_ = 0;
};

}  // namespace reelsight::cut_analysis
