// SPDX-License-Identifier: Apache-2.0
//
// Sources that are no video, or not a whole one, or too large.
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/decode_test_support.h"
#include "shared/base/status.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {
namespace {

using testing::GenerateClip;
using testing::Join;
using testing::TestPicture;

absl::StatusOr<Decoded> DecodeBytes(std::string bytes, VideoDecoder::Options options = {},
                                    const CancelToken& cancel = CancelToken()) {
  options.thread_count = 2;
  ASSIGN_OR_RETURN(const std::unique_ptr<VideoDecoder> decoder,
                   VideoDecoder::Open(SourceOf(std::move(bytes)), std::move(options), cancel));
  return DecodeRest(*decoder);
}

void ExpectRefused(const absl::Status& status, absl::StatusCode code, Reason reason) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(GetReason(status), ReasonName(reason)) << status;
}

std::string Clip() {
  return testing::ReadFile(GenerateClip(
      Join(TestPicture(320, 240, 50), {"-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart"})));
}

TEST(BadInputTest, Empty) {
  ExpectRefused(DecodeBytes("").status(), absl::StatusCode::kInvalidArgument, Reason::kSourceEmpty);
}

TEST(BadInputTest, Text) {
  std::string text;
  while (text.size() < 10000) text += "This is a text that somebody renamed to .mp4.\n";
  ExpectRefused(DecodeBytes(text).status(), absl::StatusCode::kInvalidArgument, Reason::kSourceNotVideo);
  ExpectRefused(DecodeBytes("x").status(), absl::StatusCode::kInvalidArgument, Reason::kSourceNotVideo);
}

TEST(BadInputTest, WebPage) {
  for (const char* page : {"<!DOCTYPE html><html><body>Not found</body></html>", "\xEF\xBB\xBF\r\n <HTML lang=en>",
                           "<?xml version=\"1.0\"?>\n<!-- x --><html xmlns=\"y\">"}) {
    ExpectRefused(DecodeBytes(page).status(), absl::StatusCode::kInvalidArgument, Reason::kSourceIsWebPage);
  }
}

TEST(BadInputTest, PlaylistsReachNothing) {
  for (const char* list : {"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/etc/passwd\n#EXT-X-ENDLIST\n",
                           "ffconcat version 1.0\nfile /etc/passwd\n",
                           "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
                           "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile\"></MPD>"}) {
    ExpectRefused(DecodeBytes(list).status(), absl::StatusCode::kInvalidArgument, Reason::kSourceNotVideo);
  }
}

TEST(BadInputTest, AudioOnly) {
  const std::string path = GenerateClip({"-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"});
  ExpectRefused(OpenFile(path).status(), absl::StatusCode::kInvalidArgument, Reason::kSourceNotVideo);
}

TEST(BadInputTest, OnlyCoverArt) {
  const std::string cover = GenerateClip(TestPicture(64, 48, 1), ".png");
  const std::string path =
      GenerateClip({"-f", "lavfi", "-i", "sine=duration=1", "-i", cover, "-map", "0", "-map", "1", "-c:a", "aac",
                    "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-disposition:v:0", "attached_pic"});
  ExpectRefused(OpenFile(path).status(), absl::StatusCode::kInvalidArgument, Reason::kSourceNotVideo);
}

TEST(BadInputTest, CutOffGivesTheFramesThatAreThere) {
  const std::string bytes = Clip();
  for (const int percent : {50, 90}) {
    const absl::StatusOr<Decoded> decoded = DecodeBytes(bytes.substr(0, bytes.size() * percent / 100));
    ASSERT_TRUE(decoded.ok()) << percent << ": " << decoded.status();
    EXPECT_GT(decoded->offsets.size(), 0u) << percent;
    EXPECT_LT(decoded->offsets.size(), 50u) << percent;
    EXPECT_EQ(decoded->info.frame_count(), decoded->indexes.back() + 1) << percent;
  }
}

TEST(BadInputTest, CutOffBeforeAnythingUseful) {
  const std::string bytes = Clip();
  const absl::StatusOr<Decoded> decoded = DecodeBytes(bytes.substr(0, bytes.size() / 10));
  if (decoded.ok()) {
    EXPECT_GT(decoded->offsets.size(), 0u);
  } else {
    ExpectRefused(decoded.status(), absl::StatusCode::kInvalidArgument, Reason::kSourceTruncated);
  }
  ExpectRefused(DecodeBytes(bytes.substr(0, 200)).status(), absl::StatusCode::kInvalidArgument,
                Reason::kSourceTruncated);
}

TEST(BadInputTest, CutOffBeforeTheIndex) {
  const std::string bytes =
      testing::ReadFile(GenerateClip(Join(TestPicture(320, 240, 50), {"-c:v", "libx264", "-pix_fmt", "yuv420p"})));
  for (const int percent : {10, 50, 90}) {
    const absl::Status status = DecodeBytes(bytes.substr(0, bytes.size() * percent / 100)).status();
    ExpectRefused(status, absl::StatusCode::kInvalidArgument, Reason::kSourceTruncated);
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("moov"));
  }
}

TEST(BadInputTest, DamageIsCountedAndSteppedOver) {
  std::string bytes = testing::ReadFile(
      GenerateClip(Join(TestPicture(320, 240, 50), {"-c:v", "mpeg4", "-g", "10", "-b:v", "2M"}), ".mkv"));
  for (size_t i = bytes.size() * 4 / 10; i < bytes.size() * 5 / 10; ++i) bytes[i] = static_cast<char>(i * 131);
  const absl::StatusOr<Decoded> decoded = DecodeBytes(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_GT(decoded->info.decode_errors(), 0);
  EXPECT_GT(decoded->offsets.size(), 20u);
  EXPECT_LT(decoded->offsets.size(), 50u);
}

TEST(BadInputTest, DamagedFramesComeAsTheDecoderMendsThem) {
  // With frame threads the mark of damage may come later than the frame: what comes must not depend on that.
  std::string bytes = Clip();
  for (size_t i = bytes.size() * 45 / 100; i < bytes.size() * 52 / 100; ++i) bytes[i] = static_cast<char>(i * 131);
  const std::vector<double> expected = ProbeOffsets(testing::WriteClip(bytes, ".mp4"));
  ASSERT_GT(expected.size(), 20u);
  for (int run = 0; run < 5; ++run) {
    const absl::StatusOr<Decoded> decoded = DecodeBytes(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_GT(decoded->info.decode_errors(), 0);
    ASSERT_EQ(decoded->offsets.size(), expected.size());
  }
}

// Writes four bytes at `offset` from the first `box` name.
std::string Patched(std::string bytes, const std::string& box, size_t offset, const std::string& value) {
  const size_t at = bytes.find(box);
  EXPECT_NE(at, std::string::npos) << box;
  return at == std::string::npos ? bytes : bytes.replace(at + offset, value.size(), value);
}

// A few bytes that stand for billions of frames are refused before tables are made of them.
TEST(BadInputTest, IndexThatClaimsTooMuch) {
  const std::string clip = Clip();
  const absl::Status samples =
      DecodeBytes(Patched(clip, "stsz", 8, std::string("\x00\x00\x00\x01\x7F\xFF\xFF\xFF", 8))).status();
  ExpectRefused(samples, absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
  EXPECT_THAT(std::string(samples.message()), ::testing::HasSubstr("2147483647"));
  EXPECT_THAT(std::string(samples.message()), ::testing::HasSubstr("limits.max_frames"));
  const absl::Status edits = DecodeBytes(Patched(clip, "elst", 8, std::string("\x00\x10\x00\x00", 4))).status();
  ExpectRefused(edits, absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
  // FFmpeg looks into these all the same.
  const std::string huge("\x00\x00\x00\x01\x7F\xFF\xFF\xFF", 8);
  const std::string claims = Patched(clip, "stsz", 8, huge);
  EXPECT_EQ(GetReason(DecodeBytes(Patched(claims, "moov", 0, "free")).status()), "VIDEO_TOO_LONG");
  EXPECT_EQ(GetReason(DecodeBytes(Patched(claims, "mvhd", 0, "\xA9xyz")).status()), "VIDEO_TOO_LONG");
  // Boxes in boxes must not use up the stack.
  std::string nested;
  for (int depth = 20'000; depth > 0; --depth) {
    const uint32_t size = 8 * static_cast<uint32_t>(depth);
    const std::string type = depth == 20'000 ? "moov" : depth == 19'999 ? "trak" : "mdia";
    for (const int shift : {24, 16, 8, 0}) nested += static_cast<char>(size >> shift);
    nested += type;
  }
  const std::string start(
      "\x00\x00\x00\x10"
      "ftypisom\x00\x00\x00\x00",
      16);
  EXPECT_EQ(GetReason(DecodeBytes(start + nested).status()), "UNSUPPORTED_CODEC");
  const absl::Status compressed = DecodeBytes(Patched(clip, "mvhd", 0, "cmov")).status();
  ExpectRefused(compressed, absl::StatusCode::kFailedPrecondition, Reason::kUnsupportedCodec);
}

TEST(BadInputTest, FragmentThatClaimsTooMuch) {
  const std::string clip = testing::ReadFile(
      GenerateClip(Join(TestPicture(96, 64, 20), {"-c:v", "libx264", "-movflags", "+frag_keyframe+empty_moov"})));
  // No fields for each sample, so that its count alone makes them.
  const absl::Status status =
      DecodeBytes(Patched(clip, "trun", 4, std::string("\x00\x00\x00\x00\x08\x00\x00\x00", 8))).status();
  ExpectRefused(status, absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
}

TEST(BadInputTest, SizeThatOnlyTheFramesTellTruly) {
  // The container says 320x240.
  const std::string clip = testing::ReadFile(
      GenerateClip({"-f", "lavfi", "-i", "color=size=640x480", "-frames:v", "2", "-c:v", "png"}, ".mov"));
  const std::string bytes = Patched(
      Patched(clip, std::string("\x02\x80\x01\xE0", 4), 0, std::string("\x01\x40\x00\xF0", 4)),
      std::string("\x02\x80\x00\x00\x01\xE0\x00\x00", 8), 0, std::string("\x01\x40\x00\x00\x00\xF0\x00\x00", 8));
  VideoDecoder::Options options;
  options.limits.max_frame_pixels = 320 * 240;
  const absl::Status status = DecodeBytes(bytes, options).status();
  ExpectRefused(status, absl::StatusCode::kInvalidArgument, Reason::kDecodeFailed);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("limits.max_frame_pixels"));
}

TEST(BadInputTest, PacketsThatGiveNoFrameCountToo) {
  std::string bytes = testing::ReadFile(GenerateClip(Join(TestPicture(96, 64, 50), {"-c:v", "png"}), ".mkv"));
  for (size_t at = bytes.find("\x89PNG"); at != std::string::npos; at = bytes.find("\x89PNG", at)) bytes[at] = 0;
  ExpectRefused(DecodeBytes(bytes).status(), absl::StatusCode::kInvalidArgument, Reason::kDecodeFailed);
  VideoDecoder::Options options;
  options.limits.max_frames = 20;
  ExpectRefused(DecodeBytes(bytes, options).status(), absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
}

// The header's size, 320x240, is written over.
std::string WithSize(std::string bytes, uint16_t side) {
  size_t replaced = 0;
  for (const bool fixed_point : {false, true}) {
    const std::string from =
        fixed_point ? std::string("\x01\x40\x00\x00\x00\xF0\x00\x00", 8) : std::string("\x01\x40\x00\xF0", 4);
    const char high = static_cast<char>(side >> 8), low = static_cast<char>(side & 0xFF);
    const std::string to =
        fixed_point ? std::string{high, low, 0, 0, high, low, 0, 0} : std::string{high, low, high, low};
    for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
      bytes.replace(at, from.size(), to);
      ++replaced;
    }
  }
  EXPECT_GE(replaced, 2u);
  return bytes;
}

TEST(BadInputTest, HugeHeader) {
  const absl::Status status = DecodeBytes(WithSize(Clip(), 16384)).status();
  ExpectRefused(status, absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLarge);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("16384x16384"));
}

TEST(BadInputTest, LimitsAreExact) {
  VideoDecoder::Options options;
  options.limits.max_frame_pixels = 320 * 240;
  options.limits.max_frames = 50;
  options.limits.max_duration = absl::Seconds(2);
  EXPECT_TRUE(DecodeBytes(Clip(), options).ok());
  VideoDecoder::Options pixels = options, frames = options, duration = options;
  pixels.limits.max_frame_pixels -= 1;
  ExpectRefused(DecodeBytes(Clip(), pixels).status(), absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLarge);
  frames.limits.max_frames -= 1;
  ExpectRefused(DecodeBytes(Clip(), frames).status(), absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
  duration.limits.max_duration = absl::Seconds(1.9);
  ExpectRefused(DecodeBytes(Clip(), duration).status(), absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
}

TEST(BadInputTest, LimitsHoldWhereTheContainerSaysNothing) {
  // A raw stream has no header: size, length and count show only while it is read.
  const std::string bytes = testing::ReadFile(
      GenerateClip(Join(TestPicture(320, 240, 50), {"-c:v", "libx264", "-pix_fmt", "yuv420p"}), ".h264"));
  VideoDecoder::Options pixels, frames;
  pixels.limits.max_frame_pixels = 320 * 200;
  frames.limits.max_frames = 20;
  ExpectRefused(DecodeBytes(bytes, pixels).status(), absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLarge);
  ExpectRefused(DecodeBytes(bytes, frames).status(), absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong);
}

// Gives the bytes of a clip, and an error or a cancellation after some of them.
class FailingSource final : public ByteSource {
 public:
  FailingSource(std::string bytes, int64_t good_bytes, const CancelToken* to_cancel)
      : bytes_(std::move(bytes)), good_bytes_(good_bytes), to_cancel_(to_cancel) {}
  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) override {
    if (offset >= good_bytes_) {
      if (to_cancel_ == nullptr) {
        return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable, "the connection broke");
      }
      to_cancel_->Cancel();
      return cancel.status();
    }
    const size_t size = std::min({into.size(), bytes_.size() - static_cast<size_t>(offset), size_t{4096}});
    std::copy_n(bytes_.data() + offset, size, into.data());
    return size;
  }
  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }
  int64_t read_bytes() const override { return 0; }
  const std::string& name() const override { return name_; }

 private:
  const std::string bytes_;
  const int64_t good_bytes_;
  const CancelToken* const to_cancel_;
  const std::string name_ = "failing";
};

TEST(BadInputTest, SourceErrorsComeThrough) {
  const std::string bytes = Clip();
  for (const size_t good : {size_t{0}, size_t{5000}, bytes.size() * 8 / 10}) {
    const CancelToken cancel;
    auto decoder = VideoDecoder::Open(std::make_unique<FailingSource>(bytes, good, nullptr), {}, cancel);
    const absl::Status status = decoder.ok() ? DecodeRest(**decoder).status() : decoder.status();
    ExpectRefused(status, absl::StatusCode::kUnavailable, Reason::kSourceUnreachable);
  }
}

TEST(BadInputTest, CancelEndsReading) {
  const std::string bytes = Clip();
  for (const size_t good : {size_t{0}, size_t{5000}, bytes.size() * 8 / 10}) {
    const CancelToken cancel;
    auto decoder = VideoDecoder::Open(std::make_unique<FailingSource>(bytes, good, &cancel), {}, cancel);
    const absl::Status status = decoder.ok() ? DecodeRest(**decoder).status() : decoder.status();
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  }
}

}  // namespace
}  // namespace reelsight::orchestrator
