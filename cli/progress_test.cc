// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include "cli/exit_code.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::cli {
namespace {

using ::testing::HasSubstr;

constexpr Terminal kPlain{.interactive = true, .colors = Terminal::Colors::kNone, .unicode = false, .width = 80};

v1::AnalyzeStreamResponse::Progress Progress(float decoded, int64_t frames, float cut) {
  v1::AnalyzeStreamResponse::Progress progress;
  progress.set_decoded_fraction(decoded);
  progress.set_frames_decoded(frames);
  auto& analyzer = *progress.add_analyzers();
  analyzer.set_analyzer("cut_analysis");
  analyzer.set_fraction(cut);
  analyzer.set_frames_done(frames / 2);
  return progress;
}

TEST(ProgressViewTest, DrawsABarForTheDecoderAndEachAnalyzer) {
  ProgressView view("clip.mp4");
  view.Apply(Progress(0.5f, 120, 0.25f));
  EXPECT_THAT(
      view.Render(kPlain, absl::Seconds(2)),
      ::testing::ElementsAre("clip.mp4  2.00 s", "decode               ############............   50%  120 frames",
                             ::testing::StartsWith("cut_analysis         ")));
}

TEST(ProgressViewTest, NeverGoesBackAndNeverOverflows) {
  ProgressView view("clip.mp4");
  view.Apply(Progress(0.5f, 120, 0.25f));
  view.Apply(Progress(0.1f, 20, 3.0f));
  const auto lines = view.Render(kPlain, absl::Seconds(1));
  EXPECT_THAT(lines[1], HasSubstr("  50%"));
  EXPECT_THAT(lines[2], HasSubstr(" 100%"));
}

TEST(ProgressViewTest, NoLineIsWiderThanTheTerminal) {
  for (const int width : {1, 12, 24, 30, 40, 50, 60, 80, 200}) {
    for (const bool unicode : {false, true}) {
      Terminal terminal = kPlain;
      terminal.width = width;
      terminal.unicode = unicode;
      ProgressView view(unicode ? "日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語"
                                : std::string(300, 'x'));
      view.Apply(Progress(0.37f, 1'000'000, 0.99f));
      v1::AnalyzerResult failed;
      failed.set_analyzer("an_analyzer_with_a_very_long_name");
      failed.mutable_status()->set_code(v1::AnalyzerStatus::UNAVAILABLE);
      failed.mutable_status()->set_message(std::string(300, 'y'));
      view.Apply(failed);
      for (const std::string& line : view.Render(terminal, absl::Seconds(1))) {
        EXPECT_LT(DisplayWidth(line), std::max(2, width)) << line;
      }
    }
  }
}

TEST(ProgressViewTest, ShowsTheQueueAndTheUpload) {
  ProgressView view("clip.mp4");
  view.SetUpload(512, 1024);
  EXPECT_THAT(view.Render(kPlain, absl::Seconds(1)).back(), HasSubstr(" 50%  512 B of 1.0 KiB"));
  v1::AnalyzeStreamResponse::Progress waiting;
  waiting.set_queue_position(3);
  ProgressView queued("clip.mp4");
  queued.Apply(waiting);
  EXPECT_THAT(queued.Render(kPlain, absl::Seconds(1)).back(), HasSubstr("place 3"));
}

TEST(ProgressViewTest, ServerTextCannotSteerTheTerminal) {
  ProgressView view("a\x1b[31mb.mp4");
  v1::AnalyzerResult result;
  result.set_analyzer("x");
  result.set_headline("\x1b[2J\rgone");
  view.Apply(result);
  for (const std::string& line : view.Render(kPlain, absl::Seconds(1))) {
    EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
    EXPECT_EQ(line.find('\r'), std::string::npos) << line;
  }
}

TEST(ProgressBarsTest, WritesNothingWhereNobodyLooks) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    ProgressBars bars("clip.mp4", Terminal{}, file);
    bars.Apply(Progress(0.5f, 1, 0.5f));
    bars.SetUpload(1, 2);
  }
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

TEST(ProgressBarsTest, TakesItsLinesAwayAtTheEnd) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    ProgressBars bars("clip.mp4", kPlain, file);
    bars.Apply(Progress(0.5f, 1, 0.5f));
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, ::testing::EndsWith("\x1b[3A\r\x1b[J"));
}

TEST(ExitCodeTest, TheGravestOfAllVideosCounts) {
  using enum ExitCode;
  EXPECT_EQ(Worse(kOk, kOk), kOk);
  EXPECT_EQ(Worse(kOk, kSomeAnalyzersFailed), kSomeAnalyzersFailed);
  EXPECT_EQ(Worse(kSomeAnalyzersFailed, kFailed), kFailed);
  EXPECT_EQ(Worse(kFailed, kSomeAnalyzersFailed), kFailed);
  EXPECT_EQ(Worse(kFailed, kInterrupted), kInterrupted);
}

}  // namespace
}  // namespace reelsight::cli
