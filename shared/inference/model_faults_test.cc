// SPDX-License-Identifier: Apache-2.0
//
// The runtime over real engines and models that are broken, too large, or evicted while others want them.
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/inference/openvino_engine.h"
#include "shared/testing/clips.h"
#include "shared/testing/test_models.h"

namespace reelsight::inference {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::MadeModel;
using testing::MadeModels;

constexpr int64_t kMiB = int64_t{1} << 20;

Sample Gray(float value, int side_px = 32) {
  Tensor tensor(DType::kFloat32, {1, 3, side_px, side_px});
  for (float& element : tensor.mutable_values<float>()) element = value;
  return {tensor};
}

// One that answers with 100 times the picture's mean, plus `base`.
MadeModel Adder(const std::string& name, float base, int64_t weights_bytes = 0) {
  MadeModel model{.name = name};
  model.outputs = {{.shape = {1, 2}, .values = {base, base + 1}}};
  model.gain = 100;
  model.weights_bytes = weights_bytes;
  return model;
}

absl::StatusOr<float> Ask(ModelRuntime& runtime, const std::string& name, float value,
                          const CancelToken& cancel = CancelToken()) {
  ASSIGN_OR_RETURN(const PinnedModel pinned, runtime.Acquire(name, cancel));
  ASSIGN_OR_RETURN(const auto outputs, pinned->Run("test", {Gray(value)}, cancel));
  return outputs[0][0].values<float>()[0];
}

// Holds those who pass until it is opened.
class Gate {
 public:
  void Pass() {
    ++arrived_;
    arrived_.notify_all();
    open_.wait(false);
  }
  void WaitForArrival() const { arrived_.wait(0); }
  void Open() {
    open_ = true;
    open_.notify_all();
  }

 private:
  std::atomic<int> arrived_ = 0;
  std::atomic<bool> open_ = false;
};

// A real engine that stands still before each run until the gate opens, and is charged for so many bytes.
class TestEngine final : public Engine {
 public:
  TestEngine(std::unique_ptr<Engine> engine, int64_t bytes, Gate* run)
      : engine_(std::move(engine)), bytes_(bytes), run_(run) {}
  const std::vector<TensorSpec>& inputs() const override { return engine_->inputs(); }
  const std::vector<TensorSpec>& outputs() const override { return engine_->outputs(); }
  absl::StatusOr<std::vector<Tensor>> Run(std::span<const Tensor> inputs) override {
    if (run_ != nullptr) run_->Pass();
    return engine_->Run(inputs);
  }
  std::string_view name() const override { return engine_->name(); }
  Precision precision() const override { return engine_->precision(); }
  int64_t resident_bytes() const override { return bytes_; }

 private:
  const std::unique_ptr<Engine> engine_;
  const int64_t bytes_;
  Gate* const run_;
};

// More than a load of these models really takes, which varies.
constexpr int64_t kCharge = 200 * kMiB;

ModelRuntime::EngineLoader Charged(Gate* load = nullptr, Gate* run = nullptr) {
  return [=](const std::string& path, const EngineOptions& options) -> absl::StatusOr<std::unique_ptr<Engine>> {
    if (load != nullptr) load->Pass();
    ASSIGN_OR_RETURN(auto engine, LoadOpenVinoEngine(path, options));
    return std::make_unique<TestEngine>(std::move(engine), kCharge, run);
  };
}

void ExpectCorrupt(const absl::Status& status, const std::string& name) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(GetReason(status), "MODEL_CORRUPT");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("model " + name), HasSubstr(absl::StrCat("reelsight models pull ", name, " --force"))));
}

TEST(ModelFaultsTest, CorruptFilesAreNamedAndTheOthersGoOn) {
  MadeModels made;
  made.Add(Adder("sound", 5));
  std::mt19937 random(20261125);
  std::string noise(4096, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  made.AddFile("noise", "model.onnx", noise);
  made.AddFile("one_byte", "model.onnx", "x");
  made.AddFile("text", "model.xml", "<net name=\"cut\" version=\"11\"><layers>");
  const auto models = made.Open();
  for (const char* name : {"noise", "one_byte", "text"}) {
    // Twice: the second time out of the back-off.
    for (int turn = 0; turn < 2; ++turn) ExpectCorrupt(Ask(models->runtime(), name, 1).status(), name);
    EXPECT_EQ(*Ask(models->runtime(), "sound", 1), 105);
  }
}

TEST(ModelFaultsTest, ATruncatedFileOfARealModelIsCorruptWhereverItEnds) {
  const auto installed = testing::OpenInstalledModels({"nanodet"});
  if (!installed.ok()) GTEST_SKIP() << installed.status().message();
  const std::string whole = testing::ReadFile(*(*installed)->store().Installed("nanodet"));
  MadeModels made;
  for (const int percent : {1, 30, 70, 99}) {
    made.AddFile(absl::StrCat("cut_", percent), "model.onnx", whole.substr(0, whole.size() * percent / 100));
  }
  // The same length, but zeros from the middle on, as after a crash of the machine.
  std::string zeros = whole;
  std::fill(zeros.begin() + static_cast<ptrdiff_t>(zeros.size() / 2), zeros.end(), '\0');
  made.AddFile("zeros", "model.onnx", zeros);
  const auto models = made.Open();
  for (const int percent : {1, 30, 70, 99}) {
    const std::string name = absl::StrCat("cut_", percent);
    ExpectCorrupt(models->runtime().Acquire(name, CancelToken()).status(), name);
  }
  ExpectCorrupt(models->runtime().Acquire("zeros", CancelToken()).status(), "zeros");
}

TEST(ModelFaultsTest, ADamagedCompiledModelIsMadeAnew) {
  MadeModels made;
  made.Add(Adder("a", 5, kMiB));
  for (int turn = 0; turn < 3; ++turn) {
    const auto models = made.Open();
    const auto answer = Ask(models->runtime(), "a", 1);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(*answer, 105);
    int blobs = 0;
    for (const auto& file : std::filesystem::directory_iterator(models->store().directory() + "/compiled")) {
      ++blobs;
      std::filesystem::permissions(file.path(), std::filesystem::perms::owner_all);
      const auto size = std::filesystem::file_size(file.path());
      if (turn == 0) {
        std::filesystem::resize_file(file.path(), size / 2);
      } else {
        std::ofstream(file.path()) << std::string(size, 'x');
      }
    }
    EXPECT_GT(blobs, 0);
  }
}

TEST(ModelFaultsTest, AModelThatIsNotTheCataloguesIsNotLoaded) {
  MadeModels made, other;
  made.Add(Adder("a", 5));
  other.Add(Adder("a", 6));
  const auto models = made.Open(), others = other.Open();
  EXPECT_EQ(*Ask(models->runtime(), "a", 1), 105);
  const std::string path = *models->store().Installed("a");
  // A sound model of the same size, which the engine would load.
  std::string text = testing::ReadFile(path);
  ASSERT_NE(text.find("output0"), std::string::npos);
  text.replace(text.find("output0"), 7, "output9");
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << text;
  ExpectCorrupt(made.Open()->runtime().Acquire("a", CancelToken()).status(), "a");
  EXPECT_EQ(*Ask(others->runtime(), "a", 1), 106);
}

TEST(ModelFaultsTest, AStoreWithoutRoomForCompiledModelsServesWithoutThem) {
  MadeModels made;
  made.Add(Adder("a", 5));
  made.Add(Adder("b", 6));
  const auto models = made.Open();
  // Nobody, root neither, makes a folder where a file is.
  std::ofstream(models->store().directory() + "/compiled") << "in the way";
  EXPECT_EQ(*Ask(models->runtime(), "a", 1), 105);
  EXPECT_EQ(*Ask(models->runtime(), "b", 1), 106);
}

TEST(ModelFaultsTest, DivisionByZeroIsReportedAndNeverServed) {
  MadeModels made;
  MadeModel infinite = Adder("infinite", 5), undefined = Adder("undefined", 5);
  undefined.outputs[0].values = {0, 0};
  undefined.gain = 0;
  for (MadeModel* model : {&infinite, &undefined}) {
    model->divide_by_zero = true;
    made.Add(*model);
  }
  made.Add(Adder("sound", 5));
  const auto models = made.Open();
  for (const char* name : {"infinite", "undefined"}) {
    const absl::Status status = Ask(models->runtime(), name, 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(GetReason(status), "INVALID_MODEL_OUTPUT");
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("model ", name, ": output output0")));
    EXPECT_EQ(models->metrics().models().invalid_outputs_total.Value({name}), 1);
  }
  EXPECT_EQ(*Ask(models->runtime(), "sound", 1), 105);
}

TEST(ModelFaultsTest, OneLargerThanTheBudgetIsRefusedAtOnceWithTheRemedy) {
  MadeModels made;
  made.Add(Adder("small", 5));
  made.Add(Adder("large", 5, 20 * kMiB));
  const auto models = made.Open({.memory_budget_bytes = 20 * kMiB});
  const absl::Status status = Ask(models->runtime(), "large", 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(status), "MODEL_TOO_LARGE");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("large"), HasSubstr("raise memory_budget_bytes")));
  EXPECT_EQ(*Ask(models->runtime(), "small", 1), 105);
}

TEST(ModelFaultsTest, TwoServicesOnOneMachineKeepToTheirOwnBudgets) {
  MadeModels made;
  for (int i = 0; i < 4; ++i) made.Add(Adder(absl::StrCat("m", i), static_cast<float>(i), 8 * kMiB));
  const auto wide = made.Open({.memory_budget_bytes = 4 * kCharge, .cpu_engine = Charged()});
  const auto narrow = made.Open({.memory_budget_bytes = kCharge * 3 / 2, .cpu_engine = Charged()});
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 4; ++i) {
      for (const auto* models : {&wide, &narrow}) {
        const auto answer = Ask((*models)->runtime(), absl::StrCat("m", i), 1);
        ASSERT_TRUE(answer.ok()) << answer.status();
        EXPECT_EQ(*answer, static_cast<float>(100 + i));
        EXPECT_LE((*models)->runtime().used_bytes(), (*models)->runtime().budget_bytes());
      }
    }
  }
  // What one evicts stays in the other.
  EXPECT_GT(narrow->metrics().models().evictions_total.Value({"m0"}), 0);
  EXPECT_EQ(wide->metrics().models().evictions_total.Value({"m0"}), 0);
  EXPECT_EQ(wide->metrics().models().cache_misses_total.Value({"m0"}), 1);
}

TEST(ModelFaultsTest, TwoServicesOnOneMachineShareItsMemory) {
  MadeModels made;
  for (const char* name : {"a", "b", "c"}) made.Add(Adder(name, 5));
  // What other programs take, and a tenth for each model that either service has loaded.
  double used_by_others = 0.5;
  std::vector<testing::TestModels*> services;
  const auto used_memory = [&] {
    double used = used_by_others;
    for (testing::TestModels* service : services) {
      for (const char* name : {"a", "b", "c"}) used += 0.1 * service->metrics().models().loaded.Value({name});
    }
    return used;
  };
  Gate run;
  const auto open = [&](Gate* gate) {
    return made.Open({.memory_budget_bytes = 4 * kCharge,
                      .used_memory_fraction = used_memory,
                      .upkeep_period = {},
                      .cpu_engine = Charged(nullptr, gate)});
  };
  const auto first = open(&run), second = open(nullptr);
  services = {first.get(), second.get()};
  ASSERT_TRUE(first->runtime().Acquire("b", CancelToken()).ok());
  absl::StatusOr<float> answer;
  std::thread runs([&] { answer = Ask(first->runtime(), "a", 1); });
  run.WaitForArrival();

  // 92% in use: the second has nothing that it could unload.
  used_by_others = 0.725;
  const absl::Status refused = Ask(second->runtime(), "c", 1).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(refused), "MODEL_TOO_LARGE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("memory is short (92% in use), c is not loaded now"));
  EXPECT_EQ(second->runtime().used_bytes(), 0);
  EXPECT_EQ(first->runtime().used_bytes(), 2 * kCharge);

  // The first unloads what it does not use by its next upkeep, and the second gets its model.
  EXPECT_TRUE(first->runtime().Installed("a").ok());
  EXPECT_EQ(first->metrics().models().evictions_total.Value({"b"}), 0);
  first->runtime().Maintain();
  EXPECT_EQ(first->metrics().models().evictions_total.Value({"b"}), 1);
  EXPECT_EQ(first->runtime().used_bytes(), kCharge);
  EXPECT_EQ(*Ask(second->runtime(), "c", 1), 105);

  // Now the first is refused more, until the second lets go; what it runs goes on.
  EXPECT_EQ(first->runtime().Acquire("b", CancelToken()).status().code(), absl::StatusCode::kResourceExhausted);
  second->runtime().Maintain();
  EXPECT_EQ(second->runtime().used_bytes(), 0);
  EXPECT_TRUE(first->runtime().Acquire("b", CancelToken()).ok());
  run.Open();
  runs.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, 105);
  EXPECT_EQ(first->metrics().models().evictions_total.Value({"a"}), 0);
}

TEST(ModelFaultsTest, ModelsThatOnlyFitOneByOneLoseNoResultUnderLoad) {
  MadeModels made;
  made.Add(Adder("a", 1000, 8 * kMiB));
  made.Add(Adder("b", 2000, 8 * kMiB));
  const auto models = made.Open({.threads = 2, .memory_budget_bytes = kCharge * 3 / 2, .cpu_engine = Charged()});
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const bool first = (i + t) % 2 == 0;
        const float value = static_cast<float>(t * 25 + i) / 16;
        const auto answer = Ask(models->runtime(), first ? "a" : "b", value);
        ASSERT_TRUE(answer.ok()) << answer.status();
        if (std::abs(*answer - ((first ? 1000.0F : 2000.0F) + 100 * value)) < 0.05F) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 200);
  EXPECT_GT(models->metrics().models().evictions_total.Value({"a"}), 0);
  EXPECT_LE(models->runtime().used_bytes(), models->runtime().budget_bytes());
}

class CancelTest : public ::testing::Test {
 protected:
  CancelTest() {
    made_.Add(Adder("a", 5));
    models_ = made_.Open({.cpu_engine = Charged(&load_, &run_)});
  }
  ModelRuntime& runtime() { return models_->runtime(); }

  MadeModels made_;
  Gate load_, run_;
  std::unique_ptr<testing::TestModels> models_;
};

TEST_F(CancelTest, BeforeTheLoadNothingIsLoaded) {
  const CancelToken cancel;
  cancel.Cancel();
  EXPECT_TRUE(absl::IsCancelled(Ask(runtime(), "a", 1, cancel).status()));
  EXPECT_EQ(runtime().used_bytes(), 0);
}

TEST_F(CancelTest, DuringALoadWaitersLeaveAndTheModelStays) {
  const CancelToken loader, waiter;
  std::thread loading([&] { EXPECT_TRUE(absl::IsCancelled(Ask(runtime(), "a", 1, loader).status())); });
  load_.WaitForArrival();
  std::thread waiting([&] { EXPECT_TRUE(absl::IsCancelled(Ask(runtime(), "a", 1, waiter).status())); });
  waiter.Cancel();
  waiting.join();
  // Whoever loads goes on, for others' sake, and then runs nothing.
  loader.Cancel();
  load_.Open();
  loading.join();
  run_.Open();
  EXPECT_EQ(*Ask(runtime(), "a", 1), 105);
  EXPECT_EQ(models_->metrics().models().cache_hits_total.Value({"a"}), 1);
}

TEST_F(CancelTest, WhileQueuedItLeavesAtOnceAndWhileRunningTheRunEndsFirst) {
  load_.Open();
  const CancelToken running, queued;
  std::thread runs([&] { EXPECT_TRUE(absl::IsCancelled(Ask(runtime(), "a", 1, running).status())); });
  run_.WaitForArrival();
  std::thread waits([&] { EXPECT_TRUE(absl::IsCancelled(Ask(runtime(), "a", 2, queued).status())); });
  queued.Cancel();
  waits.join();
  running.Cancel();
  run_.Open();
  runs.join();
  EXPECT_EQ(*Ask(runtime(), "a", 3), 305);
  EXPECT_EQ(models_->metrics().models().queue_length.Value({"a"}), 0);
}

}  // namespace
}  // namespace reelsight::inference
