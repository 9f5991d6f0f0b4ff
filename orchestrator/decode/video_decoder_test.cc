// SPDX-License-Identifier: Apache-2.0
//
// Frames, their order and their times, held against what ffprobe and ffmpeg say of the same files.
#include "orchestrator/decode/video_decoder.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/decode_test_support.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {
namespace {

using testing::GenerateClip;
using testing::Join;
using testing::TestPicture;

// Times come from timestamps in whole units of a time base, and ffprobe prints microseconds.
constexpr double kTimeTolerance = 2e-6;

double Seconds(const google::protobuf::Duration& duration) {
  return absl::ToDoubleSeconds(analysis::FromProto(duration));
}

void ExpectTimesOf(const std::string& path, const Decoded& decoded) {
  const std::vector<double> expected = ProbeOffsets(path);
  ASSERT_EQ(decoded.offsets.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(decoded.offsets[i], expected[i], kTimeTolerance) << "frame " << i;
    EXPECT_EQ(decoded.indexes[i], static_cast<int64_t>(i));
  }
  EXPECT_EQ(decoded.info.frame_count(), static_cast<int64_t>(expected.size()));
}

struct Format {
  const char* name;
  std::vector<std::string> args;
  const char* suffix;
};

class FormatTest : public ::testing::TestWithParam<Format> {};

// No frame is lost at either end, and every pixel is what ffmpeg makes of it: with 32 frames and more decoder threads
// than one, first and last frames depend on draining.
TEST_P(FormatTest, AllFramesWithTheirTimesAndPixels) {
  const std::string path = GenerateClip(Join(TestPicture(96, 64, 32), GetParam().args), GetParam().suffix);
  const analysis::FrameSpec spec{analysis::PixelFormat::kGray8, 0, 0, 0};
  VideoDecoder::Options options;
  options.thread_count = 4;
  const Decoded decoded = DecodeFile(path, &spec, nullptr, options);
  ASSERT_EQ(decoded.images.size(), 32u);
  EXPECT_EQ(decoded.info.decode_errors(), 0);
  EXPECT_EQ(decoded.info.frame_count(), 32);
  EXPECT_NEAR(Seconds(decoded.info.duration()), 32 / 25.0, 0.002);
  EXPECT_NEAR(decoded.info.frame_rate(), 25, 0.05);
  EXPECT_FALSE(decoded.info.variable_frame_rate());
  const std::string luma = Reference(path, {"-vf", "extractplanes=y", "-pix_fmt", "gray"});
  ASSERT_EQ(luma.size(), 32u * 96 * 64);
  for (int i = 0; i < 32; ++i) {
    std::string expected = luma.substr(i * 96 * 64, 96 * 64);
    for (char& value : expected) {
      const double full = (static_cast<uint8_t>(value) - 16) * 255.0 / 219;
      value = static_cast<char>(static_cast<uint8_t>(std::clamp(full + 0.5, 0.0, 255.0)));
    }
    // 10-bit frames are rounded to 8 bits here and dithered there.
    EXPECT_LT(MeanDifference(BytesOf(*decoded.images[i]), expected), 0.6) << "frame " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, FormatTest,
    ::testing::Values(
        Format{"H264BFrames", {"-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"}, ".mp4"},
        Format{"H264Matroska", {"-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"}, ".mkv"},
        Format{"H264TransportStream", {"-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"}, ".ts"},
        Format{"H264Avi", {"-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p"}, ".avi"},
        Format{"H264Flv", {"-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"}, ".flv"},
        Format{"H264Raw", {"-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"}, ".h264"},
        Format{"Hevc", {"-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p"}, ".mp4"},
        Format{"Hevc10Bit", {"-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"}, ".mp4"},
        Format{
            "Vp9", {"-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-pix_fmt", "yuv420p"}, ".webm"},
        Format{"Vp8", {"-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime", "-pix_fmt", "yuv420p"}, ".webm"},
        Format{"Av1", {"-c:v", "libsvtav1", "-preset", "10", "-pix_fmt", "yuv420p"}, ".mp4"},
        Format{"Mpeg4", {"-c:v", "mpeg4", "-bf", "2", "-pix_fmt", "yuv420p"}, ".mp4"},
        Format{"Mpeg2", {"-c:v", "mpeg2video", "-bf", "2", "-pix_fmt", "yuv420p"}, ".mpg"}),
    [](const ::testing::TestParamInfo<Format>& info) { return info.param.name; });

TEST(VideoDecoderTest, VariableFrameRate) {
  // Every third frame is left out.
  const std::string path =
      GenerateClip(Join(TestPicture(96, 64, 20),
                        {"-vf", "select='not(eq(mod(n\\,3)\\,1))'", "-vsync", "vfr", "-c:v", "libx264", "-bf", "2"}));
  const Decoded decoded = DecodeFile(path);
  ExpectTimesOf(path, decoded);
  EXPECT_TRUE(decoded.info.variable_frame_rate());
}

TEST(VideoDecoderTest, EditListCutsTheStart) {
  // The cut falls between key frames: the container stores the frames before it and says not to show them.
  const std::string whole = GenerateClip(Join(TestPicture(96, 64, 50), {"-c:v", "libx264", "-bf", "2", "-g", "50"}));
  const std::string path = GenerateClip({"-ss", "0.52", "-i", whole, "-c", "copy"});
  const Decoded decoded = DecodeFile(path);
  ExpectTimesOf(path, decoded);
  EXPECT_EQ(decoded.offsets.size(), 50u - 13);
  EXPECT_NEAR(Seconds(decoded.info.duration()), (50 - 13) / 25.0, 1e-3);
}

TEST(VideoDecoderTest, EditListCutsTheStartOfAv1) {
  // The decoder for AV1 does not leave out by itself what the container says not to show.
  const std::string whole =
      GenerateClip(Join(TestPicture(96, 64, 50), {"-c:v", "libsvtav1", "-preset", "10", "-g", "20"}));
  const std::string path = GenerateClip({"-ss", "1.1", "-i", whole, "-c", "copy"});
  const analysis::FrameSpec spec{analysis::PixelFormat::kGray8, 0, 0, 0};
  const Decoded all = DecodeFile(whole, &spec);
  ASSERT_EQ(all.images.size(), 50u);
  // Takes all, but by time, so that packets are planned.
  FrameSchedule schedule({{.rule = {.sample_fps = 1000}}}, {});
  for (FrameSchedule* follow : {static_cast<FrameSchedule*>(nullptr), &schedule}) {
    const Decoded decoded = DecodeFile(path, &spec, follow);
    ASSERT_EQ(decoded.images.size(), 50u - 28);
    EXPECT_EQ(decoded.info.frame_count(), 50 - 28);
    for (int i = 0; i < 50 - 28; ++i) {
      EXPECT_EQ(decoded.indexes[i], i);
      EXPECT_NEAR(decoded.offsets[i], i / 25.0, kTimeTolerance);
      EXPECT_EQ(BytesOf(*decoded.images[i]), BytesOf(*all.images[28 + i])) << "frame " << i;
    }
  }
}

TEST(VideoDecoderTest, TimeGoesOnWhereTransportStreamsAreJoined) {
  std::string bytes;
  for (const int count : {20, 15, 10}) {
    bytes += testing::ReadFile(
        GenerateClip(Join(TestPicture(96, 64, count), {"-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"}), ".ts"));
  }
  const Decoded decoded = DecodeFile(testing::WriteClip(bytes, ".ts"));
  ASSERT_EQ(decoded.offsets.size(), 45u);
  for (int i = 0; i < 45; ++i) EXPECT_NEAR(decoded.offsets[i], i / 25.0, 1e-3) << i;
  EXPECT_NEAR(Seconds(decoded.info.duration()), 45 / 25.0, 1e-3);
  EXPECT_FALSE(decoded.info.variable_frame_rate());
}

TEST(VideoDecoderTest, OneFrame) {
  const Decoded decoded = DecodeFile(GenerateClip(Join(TestPicture(96, 64, 1), {"-c:v", "libx264"})));
  EXPECT_EQ(decoded.offsets, std::vector<double>{0});
  EXPECT_EQ(decoded.info.frame_count(), 1);
  EXPECT_NEAR(Seconds(decoded.info.duration()), 0.04, 1e-4);
}

TEST(VideoDecoderTest, AnimatedGif) {
  const std::string path = GenerateClip(TestPicture(60, 40, 10, 10), ".gif");
  ExpectTimesOf(path, DecodeFile(path));
}

TEST(VideoDecoderTest, Rotation) {
  const std::string flat = GenerateClip(Join(TestPicture(96, 64, 3), {"-c:v", "libx264"}));
  for (const char* rotation : {"90", "180", "270"}) {
    const std::string path =
        GenerateClip({"-i", flat, "-c", "copy", "-metadata:s:v", std::string("rotate=") + rotation});
    // Counterclockwise, -180 to 180.
    const int turn = std::atoi(testing::RunProgram({"ffprobe", "-v", "error", "-show_entries",
                                                    "stream_side_data=rotation", "-of", "csv=p=0", path})
                                   .c_str());
    const Decoded decoded = DecodeFile(path);
    EXPECT_EQ(decoded.info.rotation_degrees(), (360 - turn) % 360);
    const bool quarter = turn % 180 != 0;
    EXPECT_EQ(decoded.info.width_px(), quarter ? 64 : 96);
    EXPECT_EQ(decoded.info.height_px(), quarter ? 96 : 64);
  }
}

TEST(VideoDecoderTest, SampleAspectRatio) {
  const std::string path = GenerateClip(Join(TestPicture(96, 64, 3), {"-c:v", "libx264", "-vf", "setsar=4/3"}));
  const Decoded decoded = DecodeFile(path);
  EXPECT_EQ(decoded.info.width_px(), 128);
  EXPECT_EQ(decoded.info.height_px(), 64);
}

TEST(VideoDecoderTest, CoverArtIsNotTheVideo) {
  const std::string video = GenerateClip(Join(TestPicture(96, 64, 5), {"-c:v", "libx264"}));
  const std::string cover = GenerateClip(TestPicture(640, 480, 1), ".png");
  const std::string path =
      GenerateClip({"-i", cover, "-i", video, "-map", "0", "-map", "1", "-c:v:0", "mjpeg", "-pix_fmt:v:0", "yuvj420p",
                    "-c:v:1", "copy", "-disposition:v:0", "attached_pic"});
  const Decoded decoded = DecodeFile(path);
  EXPECT_EQ(decoded.info.width_px(), 96);
  EXPECT_EQ(decoded.offsets.size(), 5u);
}

TEST(VideoDecoderTest, InfoOfTheHeaders) {
  const std::string path = GenerateClip(Join(TestPicture(96, 64, 32, 30), {"-c:v", "libx264", "-pix_fmt", "yuv420p"}));
  const absl::StatusOr<std::unique_ptr<VideoDecoder>> decoder = OpenFile(path);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  const v1::VideoInfo& info = (*decoder)->info();
  EXPECT_EQ(info.codec(), "h264");
  EXPECT_THAT(info.container(), ::testing::HasSubstr("mp4"));
  EXPECT_EQ(info.pixel_format(), "yuv420p");
  EXPECT_EQ(info.frame_count(), 32);
  EXPECT_NEAR(info.frame_rate(), 30, 1e-6);
  EXPECT_NEAR(Seconds(info.duration()), 32 / 30.0, 1e-3);
  EXPECT_GT((*decoder)->source_bytes(), 0);
}

TEST(VideoDecoderTest, InterlacedFramesAreMadeWhole) {
  // Fields of different moments: a moving edge shows as a comb, which raises the vertical detail.
  const std::string path =
      GenerateClip(Join(TestPicture(320, 240, 24, 50), {"-vf", "interlace", "-c:v", "libx264", "-flags", "+ilme+ildct",
                                                        "-x264opts", "tff=1", "-pix_fmt", "yuv420p"}));
  const analysis::FrameSpec spec{analysis::PixelFormat::kGray8, 0, 0, 0};
  const Decoded decoded = DecodeFile(path, &spec);
  ExpectTimesOf(path, decoded);
  const std::string combed = Reference(path, {"-pix_fmt", "gray"});
  const std::string whole = Reference(path, {"-vf", "bwdif=mode=send_frame:deint=interlaced", "-pix_fmt", "gray"});
  const size_t size = 320 * 240;
  ASSERT_EQ(whole.size(), decoded.images.size() * size);
  double to_whole = 0, to_combed = 0;
  for (size_t i = 0; i < decoded.images.size(); ++i) {
    to_whole += MeanDifference(BytesOf(*decoded.images[i]), whole.substr(i * size, size));
    to_combed += MeanDifference(BytesOf(*decoded.images[i]), combed.substr(i * size, size));
  }
  // Only the luma's range is stretched by two pieces of code that round differently.
  EXPECT_LT(to_whole / decoded.images.size(), 0.6);
  EXPECT_GT(to_combed, 2 * to_whole);
}

TEST(VideoDecoderTest, ResolutionChangesInTheMiddle) {
  const std::vector<std::string> args = {"-c:v", "libx264", "-pix_fmt", "yuv420p"};
  const std::string bytes = testing::ReadFile(GenerateClip(Join(TestPicture(96, 64, 5), args), ".h264")) +
                            testing::ReadFile(GenerateClip(Join(TestPicture(192, 128, 5), args), ".h264"));
  const analysis::FrameSpec spec{analysis::PixelFormat::kRgb24, 0, 0, 0};
  const Decoded decoded = DecodeFile(testing::WriteClip(bytes, ".h264"), &spec);
  ASSERT_EQ(decoded.images.size(), 10u);
  for (const auto& image : decoded.images) EXPECT_EQ(image->width_px(), decoded.info.width_px());
}

}  // namespace
}  // namespace reelsight::orchestrator
