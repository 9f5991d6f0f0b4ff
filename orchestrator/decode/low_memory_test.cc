// SPDX-License-Identifier: Apache-2.0
//
// Memory that runs short at any allocation of a decode: either all frames come, or the error says why they do not.
// Never fewer frames, or another video, and OK.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/allocation_failures.h"
#include "orchestrator/decode/decode_test_support.h"
#include "shared/base/status.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {
namespace {

using analysis::FrameSpec;
using analysis::PixelFormat;
using testing::GenerateClip;
using testing::Join;

constexpr int kFrames = 12;

struct Kind {
  const char* name;
  std::vector<std::string> codec;
  const char* suffix;
};

class LowMemoryTest : public ::testing::TestWithParam<std::tuple<Kind, int>> {
 protected:
  void SetUp() override {
    if (!CountsAllocationFailures()) GTEST_SKIP() << "a sanitizer stands where failed allocations are counted";
  }
  void TearDown() override { FailAllocationsForTest(0, 0); }
};

absl::StatusOr<Decoded> Decode(const std::string& path, int threads) {
  VideoDecoder::Options options;
  options.thread_count = threads;
  // Small, so that scalers and filters are made, and pictures turned out as RGB.
  const FrameSpec spec{PixelFormat::kRgb24, 48, 0, 0};
  auto decoder = OpenFile(path, std::move(options));
  if (!decoder.ok()) return decoder.status();
  return DecodeRest(**decoder, &spec);
}

TEST_P(LowMemoryTest, NothingIsSilentlyLeftOut) {
  const auto& [kind, threads] = GetParam();
  const std::string path = GenerateClip(Join(testing::TestPicture(192, 128, kFrames), kind.codec), kind.suffix);
  const absl::StatusOr<Decoded> whole = Decode(path, threads);
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_EQ(whole->images.size(), static_cast<size_t>(kFrames));
  int refused = 0;
  // From one that fails on, all fail; later ones in larger steps.
  for (int64_t spared = 0;; spared += 1 + spared / 20) {
    const int64_t before = AllocationFailures();
    FailAllocationsForTest(1, spared);
    const absl::StatusOr<Decoded> decoded = Decode(path, threads);
    FailAllocationsForTest(0, 0);
    if (!decoded.ok()) {
      ++refused;
      ASSERT_EQ(decoded.status().code(), absl::StatusCode::kResourceExhausted) << spared << ": " << decoded.status();
      ASSERT_EQ(GetReason(decoded.status()), "OUT_OF_MEMORY") << spared << ": " << decoded.status();
      continue;
    }
    ASSERT_EQ(decoded->images.size(), whole->images.size()) << spared;
    ASSERT_EQ(decoded->info.SerializeAsString(), whole->info.SerializeAsString()) << spared;
    if (AllocationFailures() == before) break;
  }
  EXPECT_GT(refused, 10);
}

// Only what is as large as a frame: what runs short first.
TEST_P(LowMemoryTest, NorWhereOnlyFramesFindNoRoom) {
  const auto& [kind, threads] = GetParam();
  const std::string path = GenerateClip(Join(testing::TestPicture(192, 128, kFrames), kind.codec), kind.suffix);
  for (const int64_t spared : {2, 3, 4, 5, 6, 8, 10}) {
    FailAllocationsForTest(192 * 128, spared);
    const absl::StatusOr<Decoded> decoded = Decode(path, threads);
    FailAllocationsForTest(0, 0);
    if (decoded.ok()) {
      EXPECT_EQ(decoded->images.size(), static_cast<size_t>(kFrames)) << spared;
      EXPECT_EQ(decoded->info.decode_errors(), 0) << spared;
    } else {
      EXPECT_EQ(GetReason(decoded.status()), "OUT_OF_MEMORY") << spared << ": " << decoded.status();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, LowMemoryTest,
    ::testing::Combine(
        ::testing::Values(
            Kind{"H264", {"-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "6"}, ".mp4"},
            Kind{"H264Interlaced",
                 {"-vf", "interlace", "-c:v", "libx264", "-flags", "+ildct+ilme", "-pix_fmt", "yuv420p"},
                 ".mkv"},
            Kind{"Hevc", {"-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p"}, ".mp4"},
            Kind{"HevcHdr",
                 {"-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params",
                  "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"},
                 ".mp4"},
            Kind{"Vp9", {"-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuv420p"}, ".webm"},
            Kind{"Av1", {"-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p"}, ".mkv"},
            Kind{"Mpeg4", {"-c:v", "mpeg4", "-bf", "2"}, ".avi"}, Kind{"Ffv1", {"-c:v", "ffv1"}, ".mkv"},
            Kind{"RgbPng", {"-c:v", "png", "-pix_fmt", "rgb24"}, ".mov"}),
        ::testing::Values(1, 4)),
    [](const ::testing::TestParamInfo<LowMemoryTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) == 1 ? "" : "Threads");
    });

}  // namespace
}  // namespace reelsight::orchestrator
