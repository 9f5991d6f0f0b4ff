// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/ffmpeg_build.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

TEST(FfmpegBuildTest, KnowsItsDecoders) {
  for (const char* codec : {"h264", "hevc", "vp9", "av1"}) EXPECT_TRUE(CanDecode(codec)) << codec;
  EXPECT_FALSE(CanDecode("no_such_codec"));
  EXPECT_THAT(FfmpegVersion(), ::testing::MatchesRegex("[0-9].*"));
}

}  // namespace
}  // namespace reelsight::orchestrator
