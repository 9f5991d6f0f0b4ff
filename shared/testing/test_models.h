// SPDX-License-Identifier: Apache-2.0
//
// Models for tests: the installed ones with their real weights, or small ones made on the spot, which do what a fault
// needs. In no product.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/model_runtime.h"
#include "shared/model_store/model_store.h"
#include "shared/telemetry/metrics.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::testing {

// A store and a runtime over it. Thread-safe.
class TestModels {
 public:
  // REQUIRES: the options are right.
  TestModels(model_store::ModelStore store, inference::ModelRuntime::Options options);

  const model_store::ModelStore& store() const { return store_; }
  inference::ModelRuntime& runtime() { return *runtime_; }
  telemetry::Metrics& metrics() { return metrics_; }

 private:
  const model_store::ModelStore store_;
  telemetry::Metrics metrics_;
  const std::unique_ptr<inference::ModelRuntime> runtime_;
};

// The built-in catalogue over the models installed in $REELSIGHT_MODELS or the user's cache folder. If one of `names`
// is not there, the status says how to get it: skip the test with its message.
absl::StatusOr<std::unique_ptr<TestModels>> OpenInstalledModels(const std::vector<std::string>& names,
                                                                inference::ModelRuntime::Options options = {});

// A model of one picture, float32 [1, 3, height, width], whose outputs are `values` + `gain` * the picture's mean.
struct MadeModel {
  struct Output {
    inference::Shape shape;
    std::vector<float> values;
  };
  std::string name;
  std::string task = "object_detection";
  std::string family = "yolov8_detect";
  int width_px = 32;
  int height_px = 32;
  std::vector<Output> outputs;
  float gain = 0;
  // The outputs are divided by zero: values other than 0 become infinities, 0 becomes NaN.
  bool divide_by_zero = false;
  // Weights that it carries along.
  int64_t weights_bytes = 0;
  // More fields of the catalogue's entry, for instance `labels: "car"`.
  std::string more;
};

// Models in a folder of the test's own, under ::testing::TempDir(), which goes with this.
class MadeModels {
 public:
  void Add(const MadeModel& model);
  // A file that should be a model, named `file`. Returns its path.
  std::string AddFile(const std::string& name, const std::string& file, const std::string& bytes,
                      const std::string& more = "");
  std::unique_ptr<TestModels> Open(inference::ModelRuntime::Options options = {}) const;

 private:
  std::string FolderOf(const std::string& name) const;
  void AddEntry(const std::string& name, const std::string& file, const std::string& more);

  const ScratchFolder folder_;
  std::string catalog_;
};

}  // namespace reelsight::testing
