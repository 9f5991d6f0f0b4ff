// SPDX-License-Identifier: Apache-2.0
//
// What is left out changes nothing but the work: the frames taken are the same, bit for bit, as in a full decode.
#include "orchestrator/decode/packet_planner.h"

#include <algorithm>
#include <map>
#include <set>
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

// Frames that a schedule takes, and their neighbours, when it decides on every frame of a full decode.
struct Needed {
  std::vector<int64_t> taken;
  std::set<int64_t> frames;
};

Needed NeededOf(FrameSchedule schedule, const Decoded& all) {
  Needed needed;
  for (size_t i = 0; i < all.indexes.size(); ++i) {
    const FrameDecision decision = schedule.Decide(all.indexes[i], absl::Seconds(all.offsets[i]));
    if (!decision.taken()) continue;
    needed.taken.push_back(all.indexes[i]);
    for (int back = 0; back <= decision.neighbours; ++back) {
      if (all.indexes[i] >= back) needed.frames.insert(all.indexes[i] - back);
    }
  }
  return needed;
}

TEST_P(StreamTest, TakenFramesAreThoseOfAFullDecode) {
  const Decoded all = DecodeFile(Path(), &kSpec);
  ASSERT_EQ(all.images.size(), 120u);
  const TimeSpan most{absl::Milliseconds(160), absl::InfiniteDuration()};
  for (const auto& [consumer, segments] : std::vector<std::pair<FrameSchedule::Consumer, std::vector<TimeSpan>>>{
           {{.rule = {}}, {}},
           {{.rule = {.interval_frames = 2}}, {most}},
           {{.rule = {.sample_fps = 3.5}, .neighbours = 1}, {}},
           {{.rule = {.sample_fps = 1}}, {most}},
           {{.rule = {.interval_frames = 50}, .neighbours = 3}, {most}},
           {{.rule = {.interval_frames = 25}, .neighbours = 2},
            {{absl::Milliseconds(400), absl::Seconds(1)}, {absl::Milliseconds(2810), absl::Milliseconds(3200)}}},
           {{.rule = {.interval_frames = 1000}}, {}}}) {
    FrameSchedule schedule({consumer}, segments);
    const Decoded some = DecodeFile(Path(), &kSpec, &schedule);
    const Needed needed = NeededOf(FrameSchedule({consumer}, segments), all);
    ExpectSubset(all, some, {needed.frames.begin(), needed.frames.end()});
    std::vector<int64_t> taken;
    for (size_t i = 0; i < some.indexes.size(); ++i) {
      if (some.decisions[i].taken()) taken.push_back(some.indexes[i]);
    }
    EXPECT_EQ(taken, needed.taken);
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

// How much is left out: counts the frames that come out of the decoder where one in fifty is taken.
TEST(PacketPlannerTest, LeavesOutWhatIsNotNeeded) {
  const std::string path = GenerateClip(Join(TestPicture(96, 64, 300), H264("keyint=10:scenecut=0:bframes=2")));
  FrameSchedule schedule({{.rule = {.interval_frames = 50}}}, {});
  const Decoded some = DecodeFile(path, nullptr, &schedule);
  EXPECT_EQ(some.indexes, (std::vector<int64_t>{0, 50, 100, 150, 200, 250}));
}

}  // namespace
}  // namespace reelsight::orchestrator
