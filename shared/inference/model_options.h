// SPDX-License-Identifier: Apache-2.0
//
// How the models of one service are loaded, kept and run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "shared/inference/engine.h"

namespace reelsight::inference {

using EngineLoader =
    std::function<absl::StatusOr<std::unique_ptr<Engine>>(const std::string& path, const EngineOptions& options)>;

struct ModelOptions {
  // `cpu` or `cuda:N`. Models marked cpu_only run on the CPU anyway, which results, ListAnalyzers, the log and a
  // metric say.
  std::string device = "cpu";
  // Runs at once on the CPU, of all models together: the processors of the slice. Each runs on its caller's thread.
  int threads = 1;

  // Keeping, see ModelCache.

  // Memory for loaded models; 0: half of what the process may use.
  int64_t memory_budget_bytes = 0;
  // How long a model that fits into the budget waits for those in use to go.
  std::chrono::steady_clock::duration room_wait = std::chrono::seconds(30);
  // Models that nobody used for so long are unloaded; 0: never.
  std::chrono::steady_clock::duration idle_ttl = {};
  // Share of memory in use, see cache::CacheOptions; none: not looked at.
  std::function<double()> used_memory_fraction;
  // Time between two looks at what is idle and at the memory in use, on a thread of their own; 0: none, and nothing is
  // unloaded but by ModelCache::Maintain and to make room.
  std::chrono::steady_clock::duration upkeep_period = std::chrono::seconds(1);
  // What `idle_ttl` is measured by.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;

  // Loading and running, see ModelLoader.

  // How long a batch on a GPU waits for more. On a CPU samples run one by one, each on a thread.
  std::chrono::steady_clock::duration hold_time = std::chrono::milliseconds(2);
  // Batches on a GPU that take longer are made smaller, so that no video waits long for another's.
  std::chrono::steady_clock::duration target_batch_duration = std::chrono::milliseconds(250);
  // Most samples of a batch on a GPU.
  int max_batch = 64;
  // Memory of the GPU, from which the size of the first batches follows, see batching::StartBatch; 0: max_batch.
  int64_t device_memory_bytes = 0;
  // If false, float32 everywhere.
  bool half_precision = true;
  // How engines are made; empty: OpenVINO for `cpu`, LibTorch, which is a plug-in, for `cuda:N`.
  EngineLoader cpu_engine;
  EngineLoader gpu_engine;
};

}  // namespace reelsight::inference
