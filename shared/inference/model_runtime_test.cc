// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_runtime.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/wait.h"

namespace reelsight::inference {
namespace {

using ::testing::HasSubstr;

// SHA-256 of `hello`.
constexpr char kHelloSha256[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

// Doubles what it gets; 1e30 becomes an infinity.
class DoublingEngine final : public Engine {
 public:
  explicit DoublingEngine(int64_t bytes) : bytes_(bytes) {}
  const std::vector<TensorSpec>& inputs() const override { return specs_; }
  const std::vector<TensorSpec>& outputs() const override { return specs_; }
  absl::StatusOr<std::vector<Tensor>> Run(std::span<const Tensor> inputs) override {
    RETURN_IF_ERROR(CheckFits(specs_[0], inputs[0]));
    Tensor out(DType::kFloat32, inputs[0].shape());
    for (size_t i = 0; i < out.values<float>().size(); ++i) {
      const float value = inputs[0].values<float>()[i];
      out.mutable_values<float>()[i] = value == 1e30F ? std::numeric_limits<float>::infinity() : 2 * value;
    }
    return std::vector<Tensor>{out};
  }
  std::string_view name() const override { return "doubling"; }
  Precision precision() const override { return Precision::kFloat32; }
  int64_t resident_bytes() const override { return bytes_; }

 private:
  const std::vector<TensorSpec> specs_ = {{.name = "x", .type = DType::kFloat32, .shape = {-1, 2}}};
  const int64_t bytes_;
};

std::string Entry(const std::string& name, const std::string& more = "") {
  return absl::StrCat("models { name: '", name,
                      "' version: '1' task: 'object_detection' license: 'MIT' files { name: 'm.onnx' sha256: '",
                      kHelloSha256, "' size_bytes: 5 path: 'm.onnx' } ", more, " }\n");
}

class ModelRuntimeTest : public ::testing::Test {
 protected:
  ModelRuntimeTest() {
    directory_ = absl::StrCat(::testing::TempDir(), "/runtime_models_",
                              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    const auto catalog = model_store::ModelCatalog::Parse(
        absl::StrCat(Entry("a", "default_for_task: true start_batch: 64"), Entry("b"), Entry("c", "cpu_only: true"),
                     Entry("d", "cpu_only: true"), Entry("absent"), Entry("gone")),
        "test");
    store_ = std::make_unique<model_store::ModelStore>(*catalog, directory_);
    for (const char* name : {"a", "b", "c"}) {
      std::filesystem::create_directories(absl::StrCat(directory_, "/", name, "/1"));
      std::ofstream(absl::StrCat(directory_, "/", name, "/1/m.onnx")) << "hello";
    }
  }

  std::unique_ptr<ModelRuntime> Make(ModelRuntime::Options options, int64_t model_bytes = 1000) {
    options.cpu_engine = [model_bytes](const std::string&, const EngineOptions& engine_options) {
      EXPECT_EQ(engine_options.device, "cpu");
      return absl::StatusOr<std::unique_ptr<Engine>>(std::make_unique<DoublingEngine>(model_bytes));
    };
    auto runtime = ModelRuntime::Create(*store_, std::move(options), &metrics_);
    EXPECT_TRUE(runtime.ok()) << runtime.status();
    return *std::move(runtime);
  }

  static Sample Of(float value) {
    Tensor tensor(DType::kFloat32, {1, 2});
    tensor.mutable_values<float>()[0] = value;
    tensor.mutable_values<float>()[1] = value + 1;
    return {tensor};
  }

  std::string directory_;
  std::unique_ptr<model_store::ModelStore> store_;
  telemetry::Metrics metrics_{{.service = "test", .version = "1", .models = true}};
};

TEST_F(ModelRuntimeTest, RunsSamplesInOrderAndCountsUses) {
  const auto runtime = Make({});
  for (int turn = 0; turn < 3; ++turn) {
    const auto pinned = runtime->Acquire("a", CancelToken());
    ASSERT_TRUE(pinned.ok()) << pinned.status();
    EXPECT_EQ(pinned->cache_hit, turn > 0);
    const auto results = (*pinned)->Run("run", {Of(1), Of(10), Of(100)}, CancelToken());
    ASSERT_TRUE(results.ok()) << results.status();
    EXPECT_EQ((*results)[2][0].values<float>()[1], 202);
  }
  EXPECT_EQ(metrics_.models().cache_misses_total.Value({"a"}), 1);
  EXPECT_EQ(metrics_.models().cache_hits_total.Value({"a"}), 2);
  EXPECT_EQ(metrics_.models().loaded.Value({"a"}), 1);
  EXPECT_EQ(runtime->DefaultFor("object_detection", "")->name(), "a");
}

TEST_F(ModelRuntimeTest, ABatchOnAGpuIsOneRun) {
  ModelRuntime::Options options;
  options.device = "cuda:0";
  options.hold_time = {};
  options.gpu_engine = [](const std::string&, const EngineOptions&) {
    return absl::StatusOr<std::unique_ptr<Engine>>(std::make_unique<DoublingEngine>(1000));
  };
  const auto runtime = Make(std::move(options));
  const auto pinned = runtime->Acquire("a", CancelToken());
  const auto results = (*pinned)->Run("run", {Of(1), Of(10), Of(100)}, CancelToken());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)[1][0].values<float>()[0], 20);
  EXPECT_EQ((*results)[1][0].shape(), (Shape{1, 2}));
  EXPECT_EQ(metrics_.models().batch_size.Count({"a"}), 1);
  // One without a form for the GPU runs on the CPU, as Make checks, and says so.
  EXPECT_TRUE(runtime->Acquire("c", CancelToken()).ok());
  EXPECT_EQ(metrics_.models().on_cpu_beside_gpu.Value({"c"}), 1);
  EXPECT_EQ(metrics_.models().on_cpu_beside_gpu.Value({"a"}), 0);
}

// Keeps what it runs a moment, and the most that ran at once of all such engines.
class CountingEngine final : public Engine {
 public:
  struct Counts {
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
  };
  explicit CountingEngine(Counts& counts) : counts_(counts) {}
  const std::vector<TensorSpec>& inputs() const override { return inner_.inputs(); }
  const std::vector<TensorSpec>& outputs() const override { return inner_.outputs(); }
  absl::StatusOr<std::vector<Tensor>> Run(std::span<const Tensor> inputs) override {
    const int running = ++counts_.running;
    int most = counts_.most;
    while (most < running && !counts_.most.compare_exchange_weak(most, running)) {
    }
    testing::GiveFaultsTime(std::chrono::milliseconds(2));
    --counts_.running;
    return inner_.Run(inputs);
  }
  std::string_view name() const override { return "counting"; }
  Precision precision() const override { return Precision::kFloat32; }
  int64_t resident_bytes() const override { return 1000; }

 private:
  DoublingEngine inner_{1000};
  Counts& counts_;
};

TEST_F(ModelRuntimeTest, AllModelsTogetherRunOnNoMoreThreadsThanTheSliceHas) {
  CountingEngine::Counts counts;
  ModelRuntime::Options options;
  options.threads = 2;
  options.cpu_engine = [&](const std::string&, const EngineOptions&) {
    return absl::StatusOr<std::unique_ptr<Engine>>(std::make_unique<CountingEngine>(counts));
  };
  const auto runtime = *ModelRuntime::Create(*store_, std::move(options), &metrics_);
  std::vector<std::thread> callers;
  for (const char* name : {"a", "a", "b", "b", "c", "c"}) {
    callers.emplace_back([&runtime, name] {
      const auto model = runtime->Acquire(name, CancelToken());
      ASSERT_TRUE(model.ok()) << model.status();
      EXPECT_TRUE((*model)->Run(name, {Of(1), Of(2), Of(3)}, CancelToken()).ok());
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(counts.most, 2);
}

TEST_F(ModelRuntimeTest, FirstBatchesOnAGpuFollowTheCatalogueAndItsFreeMemory) {
  // `a` asks for 64, `b` for nothing, which stands for 8.
  for (const auto& [megabytes, of_a, of_b] : {std::tuple{7000, 16, 2}, {12000, 32, 4}, {40000, 64, 8}, {0, 48, 48}}) {
    ModelRuntime::Options options;
    options.device = "cuda:0";
    options.max_batch = megabytes == 0 ? 48 : 64;
    options.device_memory_bytes = int64_t{megabytes} << 20;
    options.gpu_engine = [](const std::string&, const EngineOptions&) {
      return absl::StatusOr<std::unique_ptr<Engine>>(std::make_unique<DoublingEngine>(1000));
    };
    const auto runtime = Make(std::move(options));
    ASSERT_TRUE(runtime->Acquire("a", CancelToken()).ok());
    ASSERT_TRUE(runtime->Acquire("b", CancelToken()).ok());
    EXPECT_EQ(metrics_.models().batch_limit.Value({"a"}), of_a);
    EXPECT_EQ(metrics_.models().batch_limit.Value({"b"}), of_b);
  }
}

TEST_F(ModelRuntimeTest, InfinitiesAreReportedAndNeverServed) {
  const auto runtime = Make({});
  const auto pinned = runtime->Acquire("a", CancelToken());
  const absl::Status bad = (*pinned)->Run("run", {Of(1), Of(1e30F)}, CancelToken()).status();
  EXPECT_EQ(GetReason(bad), "INVALID_MODEL_OUTPUT");
  EXPECT_THAT(std::string(bad.message()), HasSubstr("model a: output x"));
  EXPECT_EQ(metrics_.models().invalid_outputs_total.Value({"a"}), 1);
  EXPECT_TRUE((*pinned)->Run("run", {Of(1)}, CancelToken()).ok());
}

TEST_F(ModelRuntimeTest, AnInfinityOfOneVideoLeavesTheOthersOfItsBatchAlone) {
  ModelRuntime::Options options;
  options.device = "cuda:0";
  // Two samples make a batch, and either waits for the other.
  options.max_batch = 2;
  options.hold_time = std::chrono::hours(1);
  options.gpu_engine = [](const std::string&, const EngineOptions&) {
    return absl::StatusOr<std::unique_ptr<Engine>>(std::make_unique<DoublingEngine>(1000));
  };
  const auto runtime = Make(std::move(options));
  const auto pinned = runtime->Acquire("a", CancelToken());
  absl::Status bad;
  std::thread other([&] { bad = (*pinned)->Run("bad", {Of(1e30F)}, CancelToken()).status(); });
  const auto good = (*pinned)->Run("good", {Of(3)}, CancelToken());
  other.join();
  EXPECT_EQ(GetReason(bad), "INVALID_MODEL_OUTPUT");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ((*good)[0][0].values<float>()[0], 6);
  EXPECT_EQ(metrics_.models().invalid_outputs_total.Value({"a"}), 1);
}

TEST_F(ModelRuntimeTest, BatchesOnAGpuThatTakeTooLongGetSmaller) {
  ModelRuntime::Options options;
  options.device = "cuda:0";
  options.hold_time = {};
  options.max_batch = 16;
  options.target_batch_duration = std::chrono::nanoseconds(1);
  options.gpu_engine = [](const std::string&, const EngineOptions&) {
    return absl::StatusOr<std::unique_ptr<Engine>>(std::make_unique<DoublingEngine>(1000));
  };
  const auto runtime = Make(std::move(options));
  const auto pinned = runtime->Acquire("a", CancelToken());
  EXPECT_EQ(metrics_.models().batch_limit.Value({"a"}), 16);
  ASSERT_TRUE((*pinned)->Run("run", std::vector<Sample>(16, Of(1)), CancelToken()).ok());
  EXPECT_LT(metrics_.models().batch_limit.Value({"a"}), 16);
}

TEST_F(ModelRuntimeTest, MissingAndUnknownModelsSayWhatToDo) {
  const auto runtime = Make({});
  const absl::Status missing = runtime->Acquire("absent", CancelToken()).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("reelsight models pull absent"));
  EXPECT_EQ(runtime->Acquire("nonsense", CancelToken()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetReason(runtime->Installed("absent")), "WEIGHTS_MISSING");
}

TEST_F(ModelRuntimeTest, QuestionsUnloadNothingAndReadNoMemory) {
  std::atomic<int> reads = 0, seconds = 0;
  ModelRuntime::Options options;
  options.idle_ttl = std::chrono::seconds(60);
  options.upkeep_period = {};
  options.now = [&] { return std::chrono::steady_clock::time_point(std::chrono::seconds(seconds)); };
  options.used_memory_fraction = [&] { return ++reads, 0.87; };
  const auto runtime = Make(std::move(options));
  ASSERT_TRUE(runtime->Acquire("a", CancelToken()).ok());
  // What the engine says of itself, or more where the process grew by more.
  const int64_t loaded_bytes = runtime->used_bytes();
  ASSERT_GE(loaded_bytes, 1000);
  reads = 0;
  seconds = 1000;
  for (int question = 0; question < 3; ++question) {
    EXPECT_TRUE(runtime->Installed("a").ok());
    EXPECT_FALSE(runtime->Installed("absent").ok());
    EXPECT_TRUE(runtime->Entry("a").ok());
    EXPECT_NE(runtime->DefaultFor("object_detection", ""), nullptr);
  }
  EXPECT_EQ(reads, 0);
  EXPECT_EQ(runtime->used_bytes(), loaded_bytes);
  EXPECT_EQ(metrics_.models().evictions_total.Value({"a"}), 0);
  runtime->Maintain();
  EXPECT_EQ(runtime->used_bytes(), 0);
  EXPECT_EQ(metrics_.models().evictions_total.Value({"a"}), 1);
}

TEST_F(ModelRuntimeTest, AWrongSampleIsNamed) {
  const auto runtime = Make({});
  const auto pinned = runtime->Acquire("a", CancelToken());
  const absl::Status bad = (*pinned)->Run("run", {{Tensor(DType::kFloat32, {1, 3})}}, CancelToken()).status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.message()), HasSubstr("model a: tensor x must be float32 [?, 2]"));
}

TEST_F(ModelRuntimeTest, TheBudgetEvictsTheLeastRecentlyUsedAndRefusesWhatCannotFit) {
  const auto runtime = Make({.memory_budget_bytes = int64_t{300} << 20}, int64_t{200} << 20);
  EXPECT_TRUE(runtime->Acquire("a", CancelToken()).ok());
  EXPECT_TRUE(runtime->Acquire("b", CancelToken()).ok());
  EXPECT_EQ(metrics_.models().evictions_total.Value({"a"}), 1);
  EXPECT_EQ(metrics_.models().loaded.Value({"a"}), 0);
  const auto small = Make({.memory_budget_bytes = int64_t{100} << 20}, int64_t{200} << 20);
  EXPECT_EQ(GetReason(small->Acquire("a", CancelToken()).status()), "MODEL_TOO_LARGE");
}

TEST_F(ModelRuntimeTest, PreloadingNamesTheModelThatFails) {
  const auto runtime = Make({});
  EXPECT_TRUE(runtime->Preload({"a", "b"}).ok());
  EXPECT_TRUE(runtime->Acquire("b", CancelToken())->cache_hit);
  EXPECT_THAT(std::string(runtime->Preload({"absent"}).message()), HasSubstr("preloading absent"));
}

TEST_F(ModelRuntimeTest, WithoutAGpuEngineAGpuIsRefused) {
  EXPECT_EQ(ModelRuntime::Create(*store_, {.device = "cuda:0"}, nullptr).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace reelsight::inference
