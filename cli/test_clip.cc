// SPDX-License-Identifier: Apache-2.0
#include "cli/test_clip.h"

#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"

namespace reelsight::cli {
namespace {

constexpr int kWidth = 320, kHeight = 180, kFramesPerSecond = 25, kFramesPerShot = 30;
constexpr std::array<std::array<int, 3>, 3> kColors = {{{200, 60, 50}, {40, 150, 90}, {60, 90, 210}}};

// Little-endian numbers and the chunks of a RIFF file.
std::string U16(uint32_t value) { return {static_cast<char>(value & 0xFF), static_cast<char>(value >> 8 & 0xFF)}; }
std::string U32(uint32_t value) { return U16(value & 0xFFFF) + U16(value >> 16); }
std::string Chunk(const std::string& id, const std::string& data) {
  return absl::StrCat(id, U32(static_cast<uint32_t>(data.size())), data,
                      data.size() % 2 == 1 ? std::string(1, '\0') : "");
}
std::string List(const std::string& type, const std::string& data) { return Chunk("LIST", type + data); }

// Smooth noise: sums of waves whose directions and lengths depend on the shot.
double Texture(int shot, double x, double y) {
  double value = 0;
  for (int k = 1; k <= 4; ++k) {
    const double angle = 0.7 * shot + 1.9 * k, length = 9.0 + 6.5 * k + 3.0 * shot;
    value += std::sin((x * std::cos(angle) + y * std::sin(angle)) * 6.283 / length + k * shot);
  }
  return value / 4;
}

std::vector<uint8_t> Picture(int shot, int frame) {
  std::vector<uint8_t> pixels(static_cast<size_t>(kWidth) * kHeight * 3);
  size_t at = 0;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const double shade = 1 + 0.35 * Texture(shot, x + 2.0 * frame, y);
      for (const int level : kColors[static_cast<size_t>(shot)]) {
        pixels[at++] = static_cast<uint8_t>(std::lround(std::fmin(255.0, level * shade)));
      }
    }
  }
  return pixels;
}

struct TurboJpegCloser {
  void operator()(void* handle) const { tjDestroy(handle); }
};

absl::StatusOr<std::string> Jpeg(tjhandle encoder, const std::vector<uint8_t>& pixels) {
  unsigned char* data = nullptr;
  unsigned long size = 0;
  if (tjCompress2(encoder, pixels.data(), kWidth, 0, kHeight, TJPF_RGB, &data, &size, TJSAMP_420, 85, 0) != 0) {
    tjFree(data);
    return absl::InternalError(absl::StrCat("JPEG encoder: ", tjGetErrorStr2(encoder)));
  }
  std::string jpeg(reinterpret_cast<const char*>(data), size);
  tjFree(data);
  return jpeg;
}

}  // namespace

absl::StatusOr<TestClip> MakeTestClip() {
  const std::unique_ptr<void, TurboJpegCloser> encoder(tjInitCompress());
  if (encoder == nullptr) return absl::InternalError("the JPEG encoder does not start");
  TestClip clip{.width_px = kWidth, .height_px = kHeight};
  std::string frames, index;
  size_t largest = 0;
  for (size_t shot = 0; shot < kColors.size(); ++shot) {
    if (shot > 0) clip.cuts.push_back(absl::Seconds(clip.frame_count) / kFramesPerSecond);
    for (int i = 0; i < kFramesPerShot; ++i, ++clip.frame_count) {
      const auto jpeg = Jpeg(encoder.get(), Picture(static_cast<int>(shot), i));
      if (!jpeg.ok()) return jpeg.status();
      largest = std::max(largest, jpeg->size());
      // Key frame flag, place behind the word `movi`, size.
      index += absl::StrCat("00dc", U32(0x10), U32(static_cast<uint32_t>(4 + frames.size())),
                            U32(static_cast<uint32_t>(jpeg->size())));
      frames += Chunk("00dc", *jpeg);
    }
  }
  clip.duration = absl::Seconds(clip.frame_count) / kFramesPerSecond;
  const uint32_t count = static_cast<uint32_t>(clip.frame_count), most = static_cast<uint32_t>(largest);
  const std::string main_header =
      absl::StrCat(U32(1'000'000 / kFramesPerSecond), U32(most * kFramesPerSecond), U32(0), U32(0x10), U32(count),
                   U32(0), U32(1), U32(most), U32(kWidth), U32(kHeight), std::string(16, '\0'));
  const std::string stream_header =
      absl::StrCat("vidsMJPG", U32(0), U32(0), U32(0), U32(1), U32(kFramesPerSecond), U32(0), U32(count), U32(most),
                   U32(0xFFFFFFFF), U32(0), U16(0), U16(0), U16(kWidth), U16(kHeight));
  const std::string format = absl::StrCat(U32(40), U32(kWidth), U32(kHeight), U16(1), U16(24), "MJPG",
                                          U32(kWidth * kHeight * 3), std::string(16, '\0'));
  const std::string headers =
      absl::StrCat(Chunk("avih", main_header), List("strl", Chunk("strh", stream_header) + Chunk("strf", format)));
  clip.avi = Chunk("RIFF", absl::StrCat("AVI ", List("hdrl", headers), List("movi", frames), Chunk("idx1", index)));
  return clip;
}

}  // namespace reelsight::cli
