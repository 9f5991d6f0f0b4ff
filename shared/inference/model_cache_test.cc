// SPDX-License-Identifier: Apache-2.0
//
// What the cache of models does by itself. How room is made and who waits for it: see pinned_lru_cache_test.cc.
#include "shared/inference/model_cache.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::inference {
namespace {

using Clock = std::chrono::steady_clock;
using ::testing::ElementsAre;

// A clock that a test sets.
class HandClock {
 public:
  std::function<Clock::time_point()> now() {
    return [this] { return Clock::time_point(std::chrono::seconds(seconds_)); };
  }
  void Set(int seconds) { seconds_ = seconds; }

 private:
  std::atomic<int> seconds_ = 0;
};

// The threads on which models went, in order.
class Graves {
 public:
  void Add(std::thread::id thread) {
    {
      const MutexLock lock(mutex_);
      threads_.push_back(thread);
    }
    changed_.NotifyAll();
  }
  std::vector<std::thread::id> WaitFor(size_t count) {
    const MutexLock lock(mutex_);
    while (threads_.size() < count) changed_.Wait(mutex_);
    return threads_;
  }
  size_t count() {
    const MutexLock lock(mutex_);
    return threads_.size();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::thread::id> threads_ ABSL_GUARDED_BY(mutex_);
};

class MortalModel final : public Model {
 public:
  explicit MortalModel(Graves& graves) : graves_(graves) {}
  ~MortalModel() override { graves_.Add(std::this_thread::get_id()); }
  const config::v1::ModelEntry& entry() const override { return entry_; }
  const std::vector<TensorSpec>& inputs() const override { return specs_; }
  const std::vector<TensorSpec>& outputs() const override { return specs_; }
  absl::StatusOr<std::vector<Sample>> Run(const std::string&, std::vector<Sample> samples,
                                          const CancelToken&) const override {
    return samples;
  }

 private:
  Graves& graves_;
  const config::v1::ModelEntry entry_;
  const std::vector<TensorSpec> specs_;
};

class ModelCacheTest : public ::testing::Test {
 protected:
  static constexpr auto kNever = Clock::duration::zero();

  ModelOptions Options(Clock::duration upkeep_period) {
    return {.memory_budget_bytes = 100,
            .idle_ttl = std::chrono::seconds(60),
            .upkeep_period = upkeep_period,
            .now = clock_.now()};
  }
  PinnedModel Use(ModelCache& cache, const std::string& name) {
    auto pinned = cache.Acquire(
        name, 10,
        [this] {
          return ModelCache::Models::Loaded{std::make_shared<MortalModel>(graves_), 10};
        },
        CancelToken());
    EXPECT_TRUE(pinned.ok()) << pinned.status();
    return *std::move(pinned);
  }

  HandClock clock_;
  Graves graves_;
};

TEST_F(ModelCacheTest, IdleModelsGoThoughNobodyAsks) {
  ModelCache cache(Options(std::chrono::milliseconds(1)), nullptr);
  Use(cache, "a");
  std::optional<PinnedModel> held = Use(cache, "held");
  clock_.Set(60);
  // On another thread than any that asked for them.
  EXPECT_NE(graves_.WaitFor(1)[0], std::this_thread::get_id());
  // One that was in use was not idle.
  held.reset();
  EXPECT_EQ(cache.used_bytes(), 10);
  clock_.Set(120);
  graves_.WaitFor(2);
  EXPECT_EQ(cache.used_bytes(), 0);
}

TEST_F(ModelCacheTest, ModelsGoWhenMemoryGetsShortThoughNobodyAsks) {
  std::atomic<double> used = 0.5;
  ModelOptions options = Options(std::chrono::milliseconds(1));
  options.idle_ttl = kNever;
  options.used_memory_fraction = [&] { return used.load(); };
  ModelCache cache(options, nullptr);
  Use(cache, "a");
  const PinnedModel held = Use(cache, "held");
  used = 0.87;
  EXPECT_NE(graves_.WaitFor(1)[0], std::this_thread::get_id());
  EXPECT_EQ(cache.used_bytes(), 10);
}

TEST_F(ModelCacheTest, ATurnOfUpkeepReadsTheMemoryInUseOnce) {
  int reads = 0;
  ModelOptions options = Options(kNever);
  options.used_memory_fraction = [&] { return ++reads, 0.5; };
  ModelCache cache(options, nullptr);
  Use(cache, "a");
  reads = 0;
  cache.Maintain();
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(cache.used_bytes(), 10);
}

TEST_F(ModelCacheTest, WithoutUpkeepNothingGoesUntilItsTurn) {
  ModelCache cache(Options(kNever), nullptr);
  Use(cache, "a");
  clock_.Set(1000);
  EXPECT_EQ(cache.used_bytes(), 10);
  EXPECT_EQ(graves_.count(), 0);
  cache.Maintain();
  EXPECT_THAT(graves_.WaitFor(1), ElementsAre(std::this_thread::get_id()));
}

TEST_F(ModelCacheTest, ModelsInUseOutliveTheCache) {
  std::optional<ModelCache> cache;
  cache.emplace(Options(std::chrono::milliseconds(1)), nullptr);
  std::optional<PinnedModel> held = Use(*cache, "held");
  cache.reset();
  EXPECT_EQ(graves_.count(), 0);
  held.reset();
  EXPECT_EQ(graves_.count(), 1);
}

}  // namespace
}  // namespace reelsight::inference
