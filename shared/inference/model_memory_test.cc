// SPDX-License-Identifier: Apache-2.0
//
// Evicted models leave no memory behind: resident memory over many turns of load, run and evict, with controls that
// keep what they should not, and must be seen to.
#include <cstdio>
#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "shared/base/quantile.h"
#include "shared/process/allocator.h"
#include "shared/telemetry/resident_memory.h"
#include "shared/testing/test_models.h"

#if defined(__SANITIZE_ADDRESS__) || defined(_GLIBCXX_TSAN)
#define REELSIGHT_ALLOCATOR_OF_SANITIZER 1
#endif

namespace reelsight::inference {
namespace {

constexpr char kModel[] = "nanodet";
// Of the second half, as a share of the level.
constexpr double kBound = 0.02;

// As tests/soak/memory.py: growth of the second half by its Theil-Sen line, as a share of the level at its start.
double Growth(const std::vector<double>& samples) {
  const std::vector<double> half(samples.begin() + static_cast<ptrdiff_t>(samples.size() / 2), samples.end());
  std::vector<double> slopes, starts;
  for (size_t i = 0; i < half.size(); ++i) {
    for (size_t j = i + 1; j < half.size(); ++j) slopes.push_back((half[j] - half[i]) / static_cast<double>(j - i));
  }
  const double slope = Median(slopes);
  for (size_t i = 0; i < half.size(); ++i) starts.push_back(half[i] - slope * static_cast<double>(i));
  return slope * static_cast<double>(half.size() - 1) / Median(starts);
}

std::vector<double> Measure(int turns, const std::function<void(int turn)>& run) {
  std::vector<double> samples;
  for (int turn = 0; turn < turns; ++turn) {
    run(turn);
    samples.push_back(static_cast<double>(telemetry::ResidentBytes()));
  }
  return samples;
}

Sample Picture(const Model& model) {
  const TensorSpec& spec = model.inputs()[0];
  Shape shape = spec.shape;
  for (int64_t& side : shape) side = side < 0 ? 1 : side;
  return {Tensor(spec.type, shape)};
}

class ModelMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef REELSIGHT_ALLOCATOR_OF_SANITIZER
    GTEST_SKIP() << "a sanitizer's allocator keeps what is freed";
#endif
    process::LimitArenas();
    auto models = testing::OpenInstalledModels({kModel}, {.threads = 2});
    if (!models.ok()) GTEST_SKIP() << models.status().message();
    models_ = *std::move(models);
  }

  // Acquires, runs once and lets go. What is evicted is the caller's business.
  void Use() {
    const auto pinned = models_->runtime().Acquire(kModel, CancelToken());
    ASSERT_TRUE(pinned.ok()) << pinned.status();
    const auto outputs = (*pinned)->Run("memory", {Picture(**pinned)}, CancelToken());
    ASSERT_TRUE(outputs.ok()) << outputs.status();
  }

  // Leaves the loaded model where it is, and goes on with another runtime.
  void Keep() {
    kept_.push_back(std::move(models_));
    models_ = *testing::OpenInstalledModels({kModel}, {.threads = 2});
  }

  std::unique_ptr<testing::TestModels> models_;
  std::vector<std::unique_ptr<testing::TestModels>> kept_;
};

TEST_F(ModelMemoryTest, LoadRunAndEvict200TimesIsFlat) {
  const std::vector<double> samples = Measure(200, [&](int) {
    Use();
    models_->runtime().EvictIdle();
  });
  EXPECT_EQ(models_->metrics().models().cache_misses_total.Value({kModel}), 200);
  EXPECT_EQ(models_->runtime().used_bytes(), 0);
  const double growth = Growth(samples);
  std::printf("resident memory from %.1f to %.1f MB, second half %+.2f%%\n", samples[0] / 1e6, samples.back() / 1e6,
              100 * growth);
  EXPECT_LT(growth, kBound);
}

// A model whose picture may have any size gets 121 sizes, in disorder and twice, since it has two requests.
TEST_F(ModelMemoryTest, SizesMetOnceAreForgotten) {
  constexpr char kOpenModel[] = "ppocr_v6_det_small";
  if (const absl::Status status = models_->runtime().Installed(kOpenModel); !status.ok()) {
    GTEST_SKIP() << status.message();
  }
  const auto pinned = models_->runtime().Acquire(kOpenModel, CancelToken());
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  const double growth = Growth(Measure(242, [&](int turn) {
    const int64_t size = turn * 47 % 121, height_px = 160 + size % 11 * 32, width_px = 160 + size / 11 * 32;
    const auto outputs =
        (*pinned)->Run("memory", {{Tensor(DType::kFloat32, {1, 3, height_px, width_px})}}, CancelToken());
    ASSERT_TRUE(outputs.ok()) << outputs.status();
  }));
  std::printf("second half %+.2f%%\n", 100 * growth);
  EXPECT_LT(growth, kBound);
}

TEST_F(ModelMemoryTest, ControlThatKeepsEveryModelGrows) {
  EXPECT_GT(Growth(Measure(24,
                           [&](int) {
                             Use();
                             Keep();
                           })),
            10 * kBound);
}

TEST_F(ModelMemoryTest, ControlThatKeepsOneModelOfTenGrows) {
  EXPECT_GT(Growth(Measure(40,
                           [&](int turn) {
                             Use();
                             if (turn % 10 == 9) Keep();
                             models_->runtime().EvictIdle();
                           })),
            kBound);
}

}  // namespace
}  // namespace reelsight::inference
