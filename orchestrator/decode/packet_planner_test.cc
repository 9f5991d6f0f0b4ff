// SPDX-License-Identifier: Apache-2.0
//
// What is left out changes nothing but the work: the frames wanted are the same, bit for bit, as in a full decode.
#include "orchestrator/decode/packet_planner.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/decode/decode_test_support.h"
#include "shared/testing/clips.h"

namespace reelsight::orchestrator {
namespace {

using testing::GenerateClip;
using testing::Join;
using testing::TestPicture;

constexpr analysis::FrameSpec kSpec{analysis::PixelFormat::kGray8, 0, 0, 0};

struct Stream {
  const char* name;
  std::vector<std::string> args;
  const char* suffix;
};

std::vector<std::string> H264(const std::string& parameters) {
  return {"-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", parameters};
}

class StreamTest : public ::testing::TestWithParam<Stream> {
 protected:
  std::string Path() const { return GenerateClip(Join(TestPicture(96, 64, 120), GetParam().args), GetParam().suffix); }
};

void ExpectSubset(const Decoded& all, const Decoded& some, const std::vector<int64_t>& wanted) {
  std::map<int64_t, size_t> at;
  for (size_t i = 0; i < some.indexes.size(); ++i) at[some.indexes[i]] = i;
  EXPECT_TRUE(std::is_sorted(some.indexes.begin(), some.indexes.end()));
  for (const int64_t index : wanted) {
    const auto found = at.find(index);
    ASSERT_TRUE(found != at.end()) << "frame " << index << " is missing";
    EXPECT_DOUBLE_EQ(some.offsets[found->second], all.offsets[index]) << "frame " << index;
    EXPECT_EQ(BytesOf(*some.images[found->second]), BytesOf(*all.images[index])) << "frame " << index;
  }
}

TEST_P(StreamTest, WantedFramesAreThoseOfAFullDecode) {
  const Decoded all = DecodeFile(Path(), &kSpec);
  ASSERT_EQ(all.images.size(), 120u);
  for (const auto& [step, neighbours] :
       std::vector<std::pair<int, int>>{{1, 0}, {2, 0}, {7, 1}, {25, 0}, {50, 3}, {1000, 0}}) {
    std::vector<int64_t> asked, wanted;
    VideoDecoder::Options options;
    options.wanted = [&, step = step, neighbours = neighbours](int64_t index, absl::Duration offset) {
      EXPECT_DOUBLE_EQ(absl::ToDoubleSeconds(offset), all.offsets[index]);
      asked.push_back(index);
      return index % step == 4 % step ? neighbours : -1;
    };
    for (int64_t i = 4 % step; i < 120; i += step) {
      for (int64_t j = std::max<int64_t>(0, i - neighbours); j <= i; ++j) wanted.push_back(j);
    }
    const Decoded some = DecodeFile(Path(), &kSpec, options);
    ExpectSubset(all, some, wanted);
    // Asked once for each frame, in order.
    std::vector<int64_t> every(120);
    for (int i = 0; i < 120; ++i) every[i] = i;
    // Transport streams do not tell frames apart: nothing is left out there.
    EXPECT_EQ(asked, GetParam().suffix == std::string(".ts") ? std::vector<int64_t>() : every);
    EXPECT_EQ(some.info.frame_count(), 120);
    EXPECT_EQ(some.info.duration().nanos(), all.info.duration().nanos());
    EXPECT_EQ(some.info.decode_errors(), 0);
  }
}

TEST_P(StreamTest, SkipToGoesOnWithTheSameFrames) {
  const Decoded all = DecodeFile(Path(), &kSpec);
  for (const double offset : {0.0, 0.04, 0.5, 1.99, 2.0, 3.3, 4.76, 9.0}) {
    auto decoder = OpenFile(Path());
    ASSERT_TRUE(decoder.ok()) << decoder.status();
    ASSERT_TRUE((*decoder)->SkipTo(absl::Seconds(offset)).ok());
    const absl::StatusOr<Decoded> rest = DecodeRest(**decoder, &kSpec);
    ASSERT_TRUE(rest.ok()) << rest.status();
    const auto first = std::lower_bound(all.offsets.begin(), all.offsets.end(), offset - 1e-9) - all.offsets.begin();
    std::vector<int64_t> expected;
    for (int64_t i = first; i < 120; ++i) expected.push_back(i);
    EXPECT_EQ(rest->indexes, expected) << offset;
    ExpectSubset(all, *rest, expected);
    EXPECT_EQ(rest->info.frame_count(), 120) << offset;
  }
}

TEST_P(StreamTest, SkipToInTheMiddle) {
  const Decoded all = DecodeFile(Path(), &kSpec);
  auto decoder = OpenFile(Path());
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE((*decoder)->Next().ok());
  ASSERT_TRUE((*decoder)->SkipTo(absl::Seconds(3)).ok());
  const absl::StatusOr<Decoded> rest = DecodeRest(**decoder, &kSpec);
  ASSERT_TRUE(rest.ok()) << rest.status();
  ASSERT_EQ(rest->indexes.size(), 45u);
  ExpectSubset(all, *rest, rest->indexes);
  EXPECT_EQ(rest->indexes.front(), 75);
}

INSTANTIATE_TEST_SUITE_P(
    Streams, StreamTest,
    ::testing::Values(
        Stream{"Pyramid", H264("keyint=250:bframes=3:b-pyramid=normal"), ".mp4"},
        Stream{"ShortGroups", H264("keyint=12:scenecut=0:bframes=2"), ".mp4"},
        Stream{"OpenGroups", H264("keyint=12:scenecut=0:bframes=3:open-gop=1"), ".mp4"},
        Stream{"Matroska", H264("keyint=30:scenecut=0:bframes=3"), ".mkv"},
        Stream{"OnlyForwards", H264("keyint=24:scenecut=0:bframes=0"), ".mp4"},
        Stream{"Hevc",
               {"-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:keyint=20:bframes=4"},
               ".mp4"},
        Stream{"HevcClosedGroups",
               {"-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:keyint=20:open-gop=0"},
               ".mp4"},
        Stream{"Vp9",
               {"-c:v", "libvpx-vp9", "-g", "20", "-cpu-used", "8", "-deadline", "realtime", "-pix_fmt", "yuv420p"},
               ".webm"},
        Stream{"Av1", {"-c:v", "libsvtav1", "-preset", "10", "-g", "20", "-pix_fmt", "yuv420p"}, ".mp4"},
        Stream{"TransportStream", H264("keyint=24:scenecut=0:bframes=2"), ".ts"}),
    [](const ::testing::TestParamInfo<Stream>& info) { return info.param.name; });

// How much is left out: counts the frames that come out of the decoder for one wanted frame in fifty.
TEST(PacketPlannerTest, LeavesOutWhatIsNotNeeded) {
  const std::string path = GenerateClip(Join(TestPicture(96, 64, 300), H264("keyint=10:scenecut=0:bframes=2")));
  VideoDecoder::Options options;
  options.wanted = [](int64_t index, absl::Duration) { return index % 50 == 0 ? 0 : -1; };
  const Decoded some = DecodeFile(path, nullptr, options);
  EXPECT_EQ(some.indexes, (std::vector<int64_t>{0, 50, 100, 150, 200, 250}));
}

}  // namespace
}  // namespace reelsight::orchestrator
