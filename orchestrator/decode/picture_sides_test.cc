// SPDX-License-Identifier: Apache-2.0
//
// Pictures with a side beyond what pixel arithmetic holds, wherever the side shows itself: in the container, in the
// frames alone, after sample aspect ratio and rotation; and pictures just below it, which must come out right.
#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/decode_test_support.h"
#include "orchestrator/decode/plane_scaler.h"
#include "shared/base/status.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {
namespace {

using analysis::FrameSpec;
using analysis::ImageSize;
using analysis::kMaxSidePx;
using analysis::PixelFormat;
using testing::GenerateClip;
using ::testing::HasSubstr;
using testing::Join;

std::vector<std::string> White(ImageSize size, int frames = 2) {
  // The source itself makes no picture with a side of 1.
  const std::string scale = ",scale=" + std::to_string(size.width_px) + ":" + std::to_string(size.height_px);
  return {"-f", "lavfi", "-i", "color=white:size=64x64:rate=25" + scale, "-frames:v", std::to_string(frames)};
}

absl::Status DecodeBytes(std::string bytes) {
  VideoDecoder::Options options;
  options.thread_count = 2;
  const auto decoder = VideoDecoder::Open(SourceOf(std::move(bytes)), std::move(options), CancelToken());
  return decoder.ok() ? DecodeRest(**decoder).status() : decoder.status();
}

absl::Status DecodeClip(const std::string& path) { return DecodeBytes(testing::ReadFile(path)); }

void ExpectTooLarge(const absl::Status& status, const std::string& side) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(GetReason(status), "VIDEO_TOO_LARGE");
  EXPECT_THAT(std::string(status.message()), HasSubstr(side + " pixels is over 16384"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("scale the video down"));
}

struct Kind {
  const char* name;
  std::vector<std::string> codec;
  const char* suffix;
};

class CodedSideTest : public ::testing::TestWithParam<Kind> {};

TEST_P(CodedSideTest, OneOverTheBoundIsRefused) {
  const Kind& kind = GetParam();
  ExpectTooLarge(DecodeClip(GenerateClip(Join(White({32, kMaxSidePx + 2}, 1), kind.codec), kind.suffix)),
                 "height of 16386");
  ExpectTooLarge(DecodeClip(GenerateClip(Join(White({kMaxSidePx + 2, 32}, 1), kind.codec), kind.suffix)),
                 "width of 16386");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, CodedSideTest,
    ::testing::Values(Kind{"GreyPng", {"-c:v", "png", "-pix_fmt", "gray"}, ".mkv"},
                      Kind{"RgbPng", {"-c:v", "png", "-pix_fmt", "rgb24"}, ".mov"},
                      Kind{"DeepPng", {"-c:v", "png", "-pix_fmt", "rgb48be"}, ".mkv"},
                      Kind{"MotionJpeg", {"-c:v", "mjpeg", "-pix_fmt", "yuvj420p"}, ".avi"},
                      Kind{"Ffv1", {"-c:v", "ffv1", "-pix_fmt", "yuv420p10le"}, ".mkv"},
                      Kind{"RawVideo", {"-c:v", "rawvideo", "-pix_fmt", "yuv420p"}, ".avi"},
                      Kind{"Av1", {"-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p"}, ".mp4"}),
    [](const ::testing::TestParamInfo<Kind>& info) { return info.param.name; });

// The container's size is written over: `from`, wherever it stands as two numbers of 16 bits, becomes `to`.
std::string WithHeaderSize(std::string bytes, ImageSize from, ImageSize to) {
  const auto number = [](int value) { return std::string{static_cast<char>(value >> 8), static_cast<char>(value)}; };
  const std::string zeros(2, '\0');
  int replaced = 0;
  for (const std::string& between : {std::string(), zeros}) {
    const std::string old = number(from.width_px) + between + number(from.height_px) + between;
    const std::string made = number(to.width_px) + between + number(to.height_px) + between;
    for (size_t at = bytes.find(old); at != std::string::npos; at = bytes.find(old, at + 1), ++replaced) {
      bytes.replace(at, old.size(), made);
    }
  }
  EXPECT_GE(replaced, 1);
  return bytes;
}

TEST(PictureSidesTest, AHeaderThatLiesIsFoundOut) {
  const ImageSize tall{48, 16400};
  for (const char* codec : {"png", "mjpeg"}) {
    const std::string clip = testing::ReadFile(GenerateClip(
        Join(White(tall), {"-c:v", codec, "-pix_fmt", std::string(codec) == "png" ? "gray" : "yuvj420p"}), ".mov"));
    ExpectTooLarge(DecodeBytes(WithHeaderSize(clip, tall, {48, 64})), "height of 16400");
  }
}

TEST(PictureSidesTest, FramesThatGrowOnTheWayAreRefusedWhereTheyDo) {
  const std::vector<std::string> av1 = {"-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p"};
  const std::string small = testing::ReadFile(GenerateClip(Join(White({64, 48}, 5), av1), ".ivf"));
  const std::string wide = testing::ReadFile(GenerateClip(Join(White({16400, 48}, 1), av1), ".ivf"));
  // The second file without its header.
  const std::string bytes = small + wide.substr(32);
  VideoDecoder::Options options;
  options.thread_count = 2;
  const auto decoder = VideoDecoder::Open(SourceOf(bytes), std::move(options), CancelToken());
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  ExpectTooLarge(DecodeRest(**decoder).status(), "width of 16400");
}

TEST(PictureSidesTest, ASideThatSampleAspectRatioMakesIsRefused) {
  const auto stretched = [](ImageSize size, const char* aspect, const char* suffix) {
    return GenerateClip(
        Join(White(size), {"-vf", std::string("setsar=") + aspect, "-c:v", "libx264", "-pix_fmt", "yuv420p"}), suffix);
  };
  for (const char* suffix : {".mp4", ".mkv"}) {
    ExpectTooLarge(DecodeClip(stretched({1100, 64}, "15/1", suffix)), "width of 16500");
    EXPECT_TRUE(DecodeClip(stretched({1090, 64}, "15/1", suffix)).ok());
  }
  // Turned, the width is the height.
  const std::string flat = stretched({1100, 64}, "15/1", ".mp4");
  ExpectTooLarge(DecodeClip(GenerateClip({"-i", flat, "-c", "copy", "-metadata:s:v", "rotate=90"})), "height of 16500");
  // So wide pixels are nonsense, and not applied.
  EXPECT_TRUE(DecodeClip(stretched({1100, 64}, "1000/1", ".mp4")).ok());
  EXPECT_TRUE(DecodeClip(stretched({1100, 64}, "1/1000", ".mp4")).ok());
}

TEST(PictureSidesTest, PixelsAsDisplayedAreBoundedToo) {
  VideoDecoder::Options options;
  options.limits.max_frame_pixels = 640 * 480;
  const std::string clip = GenerateClip(
      Join(White({640, 480}), {"-vf", "setsar=2/1", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}));
  const absl::Status status = OpenFile(clip, options).status();
  EXPECT_EQ(GetReason(status), "VIDEO_TOO_LARGE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("as displayed are 1280x480"));
}

struct Extreme {
  const char* name;
  ImageSize size;
  std::vector<std::string> codec;
  const char* suffix;
};

std::vector<std::string> Hdr() {
  return {"-c:v",   "ffv1",       "-pix_fmt",  "yuv420p10le", "-color_primaries",
          "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"};
}

class ExtremeSideTest : public ::testing::TestWithParam<Extreme> {};

// White stays white, whatever it is scaled to.
TEST_P(ExtremeSideTest, ComesOutRight) {
  const Extreme& extreme = GetParam();
  const std::string path = GenerateClip(Join(White(extreme.size), extreme.codec), extreme.suffix);
  for (const FrameSpec& spec : {FrameSpec{PixelFormat::kI420, 320, 0, 0}, FrameSpec{PixelFormat::kRgb24, 0, 48, 27},
                                FrameSpec{PixelFormat::kGray8, 0, 0, 0}, FrameSpec{PixelFormat::kGray8, 0, 27, 48},
                                FrameSpec{PixelFormat::kRgb24, 0, 0, 0}}) {
    const Decoded decoded = DecodeFile(path, &spec);
    ASSERT_EQ(decoded.images.size(), 2u);
    const analysis::Image& image = *decoded.images[1];
    const size_t luma = spec.format == PixelFormat::kRgb24
                            ? image.bytes().size()
                            : static_cast<size_t>(image.width_px()) * static_cast<size_t>(image.height_px());
    // HDR's white is brighter than white.
    const int white = spec.format == PixelFormat::kI420 && !decoded.info.tone_mapped() ? 235 : 255;
    const auto bytes = image.bytes().first(luma);
    EXPECT_NEAR(*std::min_element(bytes.begin(), bytes.end()), white, 4)
        << image.width_px() << "x" << image.height_px();
    EXPECT_NEAR(*std::max_element(bytes.begin(), bytes.end()), white, 4);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Extremes, ExtremeSideTest,
    ::testing::Values(
        Extreme{"OnePixelWide", {1, kMaxSidePx}, {"-c:v", "png", "-pix_fmt", "gray"}, ".mkv"},
        Extreme{"OnePixelHigh", {kMaxSidePx, 1}, {"-c:v", "png", "-pix_fmt", "rgb24"}, ".mkv"},
        Extreme{"Tall", {16, kMaxSidePx}, {"-c:v", "ffv1", "-pix_fmt", "yuv420p"}, ".mkv"},
        Extreme{"OddTall", {17, kMaxSidePx - 1}, {"-c:v", "ffv1", "-pix_fmt", "yuv444p"}, ".mkv"},
        Extreme{"OddWide", {kMaxSidePx - 1, 3}, {"-c:v", "ffv1", "-pix_fmt", "yuv420p"}, ".mkv"},
        Extreme{"DeepTall", {18, kMaxSidePx}, {"-c:v", "ffv1", "-pix_fmt", "yuv420p10le"}, ".mkv"},
        Extreme{"DeepRgbWide", {kMaxSidePx, 18}, {"-c:v", "png", "-pix_fmt", "rgb48be"}, ".mkv"},
        Extreme{"WideJpeg", {kMaxSidePx, 34}, {"-c:v", "mjpeg", "-pix_fmt", "yuvj422p"}, ".avi"},
        Extreme{"TallH264", {32, kMaxSidePx}, {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, ".mp4"},
        Extreme{"WideVp9", {kMaxSidePx, 34}, {"-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuv420p"}, ".webm"},
        Extreme{"TallHdr", {34, kMaxSidePx}, Hdr(), ".mkv"}, Extreme{"OddHdr", {kMaxSidePx - 1, 3}, Hdr(), ".mkv"},
        Extreme{"OnePixelWideHdr", {1, 640}, Hdr(), ".mkv"}),
    [](const ::testing::TestParamInfo<Extreme>& info) { return info.param.name; });

TEST(PlaneScalerTest, MeansOfLargeBoxesAreExact) {
  // Rows in turn dark and bright; 100.5 on the whole.
  PlaneScaler scaler;
  for (const ImageSize size :
       {ImageSize{16, 16383}, ImageSize{3000, 1999}, ImageSize{16383, 16}, ImageSize{1920, 1080}}) {
    std::vector<uint8_t> bytes(static_cast<size_t>(size.width_px) * static_cast<size_t>(size.height_px));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = i / static_cast<size_t>(size.width_px) % 2 == 0 ? 1 : 200;
    const std::vector<uint16_t> words(bytes.begin(), bytes.end());
    const ImageSize scaled{2, 3};
    std::vector<uint8_t> small(6);
    std::vector<uint16_t> small_words(6);
    scaler.Scale(bytes.data(), size.width_px, size, scaled, small.data());
    scaler.Scale(words.data(), size.width_px, size, scaled, small_words.data());
    for (size_t i = 0; i < small.size(); ++i) {
      // Steps round down, and 16 rows are cut into 5, 5 and 6.
      EXPECT_NEAR(small[i], 100.5, size.height_px == 16 ? 21 : 3) << size.width_px << "x" << size.height_px << " " << i;
      EXPECT_NEAR(small_words[i], 100.5, size.height_px == 16 ? 21 : 3);
    }
  }
}

}  // namespace
}  // namespace reelsight::orchestrator
