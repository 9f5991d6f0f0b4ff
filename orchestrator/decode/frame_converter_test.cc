// SPDX-License-Identifier: Apache-2.0
//
// Colours and geometry, held against ffmpeg's own conversion of the same files.
#include "orchestrator/decode/frame_converter.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/decode_test_support.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {
namespace {

using analysis::FrameSpec;
using analysis::ImageSize;
using analysis::PixelFormat;
using testing::GenerateClip;
using testing::Join;

// In full size and at a quarter, both sides average the same pixels; chroma is brought up by other curves and matrices
// are rounded at other places. On pictures of flat bars that stays below this mean; a wrong matrix or range is several
// times as far off.
constexpr double kTolerance = 1.6;
// At a third, ffmpeg weighs the pixels that a boundary cuts (128 rows become 42), and here whole pixels are averaged.
// At an eighth, a larger part of the pixels lies at the edge of a bar.
constexpr double kFractionalTolerance = 3.2;

std::vector<std::string> Bars(int width_px, int height_px, const std::string& pixel_format) {
  return {"-f",        "lavfi",
          "-i",        "smptehdbars=size=" + std::to_string(width_px) + "x" + std::to_string(height_px) + ":rate=25",
          "-frames:v", "2",
          "-c:v",      "ffv1",
          "-pix_fmt",  pixel_format};
}

std::vector<std::string> Tags(const std::string& matrix, const std::string& range) {
  return {"-vf", "scale=out_color_matrix=" + matrix + ":out_range=" + range, "-colorspace", matrix, "-color_range",
          range};
}

std::string Name(PixelFormat format) {
  return format == PixelFormat::kI420 ? "yuv420p" : format == PixelFormat::kRgb24 ? "rgb24" : "gray";
}

// What ffmpeg makes of the first frame for a spec.
std::string ReferencePicture(const std::string& path, PixelFormat format, ImageSize size,
                             const std::string& before = "") {
  std::string filter = before + "scale=" + std::to_string(size.width_px) + ":" + std::to_string(size.height_px) +
                       ":flags=area+accurate_rnd+full_chroma_int+full_chroma_inp";
  if (format == PixelFormat::kI420) filter += ":out_color_matrix=bt601:out_range=tv";
  if (format == PixelFormat::kGray8) filter += ":out_range=pc";
  return Reference(path, {"-frames:v", "1", "-vf", filter, "-pix_fmt", Name(format)});
}

struct Input {
  const char* name;
  const char* pixel_format;
  std::vector<std::string> tags;
};

class InputTest : public ::testing::TestWithParam<std::tuple<Input, PixelFormat, int>> {};

TEST_P(InputTest, ColoursAreFfmpegs) {
  const auto& [input, format, max_side_px] = GetParam();
  const std::string path = GenerateClip(Join(Bars(192, 128, input.pixel_format), input.tags), ".mkv");
  const FrameSpec spec{format, max_side_px, 0, 0};
  const Decoded decoded = DecodeFile(path, &spec);
  ASSERT_EQ(decoded.images.size(), 2u);
  const std::string expected = ReferencePicture(path, format, decoded.images[0]->size());
  EXPECT_LT(MeanDifference(BytesOf(*decoded.images[0]), expected),
            max_side_px == 64 || max_side_px == 24 ? kFractionalTolerance : kTolerance);
  EXPECT_FALSE(decoded.info.tone_mapped());
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, InputTest,
    ::testing::Combine(
        ::testing::Values(Input{"Yuv420", "yuv420p", {}}, Input{"Yuv420Bt709", "yuv420p", Tags("bt709", "tv")},
                          Input{"Yuv420Bt709FullRange", "yuv420p", Tags("bt709", "pc")},
                          Input{"Yuv420FullRange", "yuv420p", Tags("smpte170m", "pc")}, Input{"Yuv422", "yuv422p", {}},
                          Input{"Yuv444Bt709", "yuv444p", Tags("bt709", "tv")}, Input{"Yuv411", "yuv411p", {}},
                          Input{"Yuv420With10Bits", "yuv420p10le", {}},
                          Input{"Yuv422With10BitsBt709", "yuv422p10le", Tags("bt709", "tv")},
                          Input{"Yuv444With12Bits", "yuv444p12le", {}}, Input{"WithAlpha", "yuva420p", {}},
                          Input{"Rgb", "bgr0", {}}, Input{"PlanarRgb10", "gbrp10le", {}}, Input{"Grey", "gray", {}},
                          Input{"Grey16", "gray16le", {}}),
        ::testing::Values(PixelFormat::kI420, PixelFormat::kRgb24, PixelFormat::kGray8),
        ::testing::Values(0, 24, 48, 64)),
    [](const ::testing::TestParamInfo<InputTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).name) + Name(std::get<1>(info.param)) +
             std::to_string(std::get<2>(info.param));
    });

// Independent of any library: the primaries of BT.709 video, by the formulas of ITU-R BT.709.
TEST(FrameConverterTest, Bt709RedIsRed) {
  const std::string path = GenerateClip(
      Join({"-f", "lavfi", "-i", "color=red:size=64x64:rate=25", "-frames:v", "1", "-c:v", "libx264", "-qp", "0"},
           Join(Tags("bt709", "tv"), {"-pix_fmt", "yuv420p"})));
  const FrameSpec rgb{PixelFormat::kRgb24, 0, 0, 0};
  const Decoded decoded = DecodeFile(path, &rgb);
  ASSERT_EQ(decoded.images.size(), 1u);
  const auto pixel = decoded.images[0]->bytes();
  EXPECT_NEAR(pixel[0], 255, 2);
  EXPECT_NEAR(pixel[1], 0, 2);
  EXPECT_NEAR(pixel[2], 0, 2);
  // BT.601, limited: Y 81, U 90, V 240.
  const FrameSpec i420{PixelFormat::kI420, 0, 0, 0};
  const Decoded yuv = DecodeFile(path, &i420);
  EXPECT_NEAR(yuv.images[0]->plane(0)[0], 81, 1);
  EXPECT_NEAR(yuv.images[0]->plane(1)[0], 90, 1);
  EXPECT_NEAR(yuv.images[0]->plane(2)[0], 240, 1);
}

TEST(FrameConverterTest, OddSizes) {
  for (const PixelFormat format : {PixelFormat::kI420, PixelFormat::kRgb24, PixelFormat::kGray8}) {
    for (const ImageSize size : {ImageSize{97, 65}, ImageSize{1, 1}, ImageSize{3, 2}, ImageSize{33, 101}}) {
      const std::string path = GenerateClip(Bars(97, 65, "yuv420p"), ".mkv");
      const FrameSpec spec{format, 0, size.width_px, size.height_px};
      const Decoded decoded = DecodeFile(path, &spec);
      ASSERT_EQ(decoded.images.size(), 2u);
      EXPECT_EQ(decoded.images[0]->size(), size);
    }
  }
  const std::string path = GenerateClip(Bars(97, 65, "yuv420p"), ".mkv");
  const FrameSpec whole{PixelFormat::kI420, 0, 0, 0};
  const Decoded decoded = DecodeFile(path, &whole);
  // Nothing to scale: the very bytes.
  EXPECT_EQ(BytesOf(*decoded.images[0]), Reference(path, {"-frames:v", "1", "-pix_fmt", "yuv420p"}));
}

TEST(FrameConverterTest, RotationIsApplied) {
  const std::string flat = GenerateClip({"-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-frames:v", "2", "-c:v",
                                         "libx264", "-qp", "0", "-pix_fmt", "yuv420p"});
  for (const char* rotation : {"0", "90", "180", "270"}) {
    const std::string path =
        GenerateClip({"-i", flat, "-c", "copy", "-metadata:s:v", std::string("rotate=") + rotation});
    for (const PixelFormat format : {PixelFormat::kI420, PixelFormat::kRgb24, PixelFormat::kGray8}) {
      const FrameSpec spec{format, 0, 0, 0};
      const Decoded decoded = DecodeFile(path, &spec);
      ASSERT_EQ(decoded.images.size(), 2u);
      // ffmpeg turns by the same metadata on its own.
      const std::string expected = ReferencePicture(path, format, decoded.images[0]->size());
      EXPECT_LT(MeanDifference(BytesOf(*decoded.images[0]), expected), format == PixelFormat::kRgb24 ? 5 : 1)
          << rotation << " " << Name(format);
    }
  }
}

TEST(FrameConverterTest, RotationOfFormatsThatTheScalerConverts) {
  const std::string flat =
      GenerateClip({"-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-frames:v", "1", "-c:v", "png"}, ".mov");
  for (const char* rotation : {"90", "270"}) {
    const std::string path =
        GenerateClip({"-i", flat, "-c", "copy", "-metadata:s:v", std::string("rotate=") + rotation}, ".mov");
    const FrameSpec spec{PixelFormat::kRgb24, 0, 0, 0};
    const Decoded decoded = DecodeFile(path, &spec);
    ASSERT_EQ(decoded.images.size(), 1u);
    EXPECT_EQ(BytesOf(*decoded.images[0]), Reference(path, {"-pix_fmt", "rgb24"})) << rotation;
  }
}

TEST(FrameConverterTest, ASpecIsMadeTheSameWhateverWasMadeBefore) {
  const std::string path = GenerateClip(Bars(192, 128, "yuv420p"), ".mkv");
  auto decoder = OpenFile(path);
  ASSERT_TRUE(decoder.ok());
  auto frame = (*decoder)->Next();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  const std::vector<FrameSpec> specs = {
      {PixelFormat::kI420, 64, 0, 0}, {PixelFormat::kGray8, 100, 0, 0}, {PixelFormat::kRgb24, 64, 0, 0}};
  auto used = FrameConverter::Create((*decoder)->info());
  ASSERT_TRUE(used.ok());
  for (int turn = 0; turn < 2; ++turn) {
    for (const FrameSpec& spec : specs) {
      auto fresh = FrameConverter::Create((*decoder)->info());
      analysis::Image by_used(spec.format, (*used)->SizeFor(spec));
      analysis::Image by_fresh(spec.format, (*used)->SizeFor(spec));
      ASSERT_TRUE((*used)->Convert(**frame, spec, by_used).ok());
      ASSERT_TRUE((*fresh)->Convert(**frame, spec, by_fresh).ok());
      EXPECT_EQ(BytesOf(by_used), BytesOf(by_fresh));
    }
  }
  analysis::Image wrong(PixelFormat::kGray8, {5, 5});
  EXPECT_EQ((*used)->Convert(**frame, specs[0], wrong).code(), absl::StatusCode::kInternal);
}

class HdrTest : public ::testing::TestWithParam<const char*> {};

TEST_P(HdrTest, ToneMapped) {
  const std::string transfer = GetParam();
  // Bars of standard range carried over to the HDR curve: mapped back they are about what they were.
  const std::string path =
      GenerateClip({"-f", "lavfi", "-i", "smptehdbars=size=192x128:rate=25", "-frames:v", "2", "-vf",
                    "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p,"
                    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,"
                    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt2020,"
                    "zscale=t=" +
                        transfer + ":m=bt2020nc:r=tv:npl=100,format=yuv420p10le",
                    "-c:v", "libx265", "-x265-params", "log-level=none:lossless=1", "-color_primaries", "bt2020",
                    "-color_trc", transfer, "-colorspace", "bt2020nc"});
  for (const int max_side_px : {0, 64}) {
    for (const PixelFormat format : {PixelFormat::kRgb24, PixelFormat::kI420, PixelFormat::kGray8}) {
      const FrameSpec spec{format, max_side_px, 0, 0};
      const Decoded decoded = DecodeFile(path, &spec);
      ASSERT_EQ(decoded.images.size(), 2u);
      EXPECT_TRUE(decoded.info.tone_mapped());
      // The peer too scales before it maps: the mean of coded values is not that of light. The curve is published.
      const ImageSize size = decoded.images[0]->size();
      const std::string scale = "scale=" + std::to_string(size.width_px) + ":" + std::to_string(size.height_px) +
                                ":flags=area+accurate_rnd+full_chroma_int+full_chroma_inp,";
      const std::string expected =
          ReferencePicture(path, format, size,
                           scale +
                               "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
                               "zscale=t=bt709:m=bt709:r=full,format=gbrp,");
      EXPECT_LT(MeanDifference(BytesOf(*decoded.images[0]), expected), 5) << Name(format) << " " << max_side_px;
    }
  }
}

// As cropping leaves them. Where the processor has AVX-512, reading such planes as if they were aligned ends the
// process.
TEST(FrameConverterTest, PlanesOfHighDynamicRangeMayLieAnywhere) {
  constexpr ImageSize kSize{1056, 42};
  v1::VideoInfo info;
  info.set_width_px(kSize.width_px);
  info.set_height_px(kSize.height_px);
  const auto converter = FrameConverter::Create(info);
  ASSERT_TRUE(converter.ok());
  // Made higher, from whole rows.
  const FrameSpec spec{PixelFormat::kRgb24, 0, 49, 51};
  struct Place {
    int luma_shift_bytes, chroma_shift_bytes, luma_align, chroma_align;
  };
  std::vector<std::string> pictures;
  for (const Place& place :
       std::vector<Place>{{0, 0, 64, 64}, {0, 32, 64, 32}, {32, 32, 32, 32}, {64, 16, 64, 2}, {2, 6, 2, 2}}) {
    FrameHandle frame(av_frame_alloc());
    frame->format = AV_PIX_FMT_YUV422P10LE;
    frame->width = kSize.width_px;
    frame->height = kSize.height_px;
    frame->color_trc = AVCOL_TRC_SMPTE2084;
    ASSERT_EQ(av_frame_get_buffer(frame.get(), 64), 0);
    std::vector<std::vector<uint16_t>> planes;
    for (int i = 0; i < 3; ++i) {
      const int width = i == 0 ? kSize.width_px : kSize.width_px / 2;
      frame->linesize[i] = FFALIGN(2 * width, i == 0 ? place.luma_align : place.chroma_align);
      planes.emplace_back((kSize.height_px * frame->linesize[i] + 256) / 2, uint16_t{0});
      frame->data[i] = reinterpret_cast<uint8_t*>(FFALIGN(reinterpret_cast<uintptr_t>(planes[i].data()), 64)) +
                       (i == 0 ? place.luma_shift_bytes : place.chroma_shift_bytes);
      for (int y = 0; y < kSize.height_px; ++y) {
        auto* const row = reinterpret_cast<uint16_t*>(frame->data[i] + static_cast<ptrdiff_t>(y) * frame->linesize[i]);
        for (int x = 0; x < width; ++x) row[x] = static_cast<uint16_t>(i == 0 ? 64 + 5 * y + x / 2 : 512 + 40 * i);
      }
    }
    const DecodedFrame decoded{0, absl::ZeroDuration(), {frame.release(), FreeByAddress<av_frame_free>()}, {}};
    analysis::Image image(spec.format, (*converter)->SizeFor(spec));
    ASSERT_TRUE((*converter)->Convert(decoded, spec, image).ok());
    pictures.emplace_back(BytesOf(image));
  }
  EXPECT_THAT(pictures, ::testing::Each(pictures.front()));
}

INSTANTIATE_TEST_SUITE_P(Transfers, HdrTest, ::testing::Values("smpte2084", "arib-std-b67"),
                         [](const ::testing::TestParamInfo<const char*>& info) {
                           return info.param == std::string("smpte2084") ? "Pq" : "Hlg";
                         });

}  // namespace
}  // namespace reelsight::orchestrator
