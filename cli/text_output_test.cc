// SPDX-License-Identifier: Apache-2.0
//
// Everything that becomes a document: the page of text, JSON, textproto, tables, files, completion.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_split.h"
#include "cli/bench.h"
#include "cli/completion.h"
#include "cli/document.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "cli/text_summary.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kResponse[] = R"pb(
  request_id: "r-1"
  video {
    codec: "h264"
    width_px: 720
    height_px: 1280
    duration { seconds: 4 }
    frame_rate: 25
    frame_count: 100
    pixel_format: "yuv420p"
  }
  results {
    analyzer: "cut_analysis"
    timing {
      batch_time { nanos: 40000000 }
      summarize_time { nanos: 2000000 }
      frame_count: 100
    }
    headline: "2 shots, 15 cuts a minute"
    models { name: "shots" version: "2" device: "cuda:0" }
    models { name: "pans" version: "1" device: "cuda:0" }
    models { name: "fades" version: "3" device: "cpu" }
    cut_analysis {
      transitions {
        kind: HARD_CUT
        start_offset { seconds: 1 }
        end_offset { seconds: 1 }
        score: 0.98
      }
      shots { end_offset { seconds: 1 } }
      shots {
        start_offset { seconds: 1 }
        end_offset { seconds: 4 }
      }
      pace {
        cuts_per_minute: 15
        mean_shot { seconds: 2 }
        median_shot { seconds: 2 }
      }
    }
  }
  results {
    analyzer: "camera_analysis"
    timing { frame_count: 48 }
    headline: "mostly static"
    models { name: "elsewhere" }
    camera_analysis {
      segments {
        end_offset { seconds: 1 }
        motion: PAN_LEFT
      }
      segments {
        start_offset { seconds: 1 }
        end_offset { seconds: 4 }
        motion: STATIC
      }
    }
  }
  results {
    analyzer: "color_analysis"
    timing { frame_count: 8 }
    color_analysis {
      dominant_colors { hex: "#2f4f4f" name: "darkslategray" share: 0.625 }
      brightness: 0.5
      contrast: 0.25
      saturation: 0.125
      temperature_kelvin: 5400
    }
  }
  results {
    analyzer: "text_overlay"
    status { code: UNAVAILABLE reason: "RETRY_BUDGET_SPENT" message: "service detection did not answer" }
  }
  timeline {
    scenes {
      end_offset { seconds: 4 }
      shots { end_offset { seconds: 1 } }
      shots {
        start_offset { seconds: 1 }
        end_offset { seconds: 4 }
      }
    }
  }
  summary: "A short clip."
  stats {
    elapsed { nanos: 500000000 }
    stages {
      name: "decode"
      time { nanos: 250000000 }
    }
    frames_decoded: 100
    frames_analyzed: 100
    source_bytes: 2048
  }
)pb";

constexpr char kPage[] = R"(clip.mp4
  h264, 720x1280, 4.00 s, 25 fps, 100 frames, yuv420p

  A short clip.

1 scene, 2 shots
  scene  shot     start       end  length  camera
      1     1  0:00.000  0:01.000  1.00 s  pan left
            2  0:01.000  0:04.000  3.00 s  static

Cuts
  1 hard cut; 15.0 a minute, mean shot 2.00 s, median 2.00 s
  hard cut  0:01.000    98%

Camera
  static 75%, pan left 25%

Colours
  brightness 0.50, contrast 0.25, saturation 0.12, 5400 K
    #2f4f4f  darkslategray  62%

Analyzers
  analyzer         status       frames   busy
  cut_analysis     OK              100  42 ms
  camera_analysis  OK               48   0 µs
  color_analysis   OK                8   0 µs
  text_overlay     UNAVAILABLE       0   0 µs  service detection did not answer (RETRY_BUDGET_SPENT)

Models
  cut_analysis     shots 2, pans 1 on cuda:0, fades 3 on cpu
  camera_analysis  elsewhere

done in 500 ms, 8.0 times as fast as it plays, 100 frames decoded, 100 analysed, 2.0 KiB read
stages, side by side: decode 250 ms
)";

v1::AnalyzeResponse Response() {
  v1::AnalyzeResponse response;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kResponse, &response));
  return response;
}

TEST(TextSummaryTest, IsThisPage) { EXPECT_EQ(TextSummary("clip.mp4", Response(), Terminal{}), kPage); }

TEST(TextSummaryTest, SwatchesNeedATerminalWithColours) {
  Terminal terminal{.interactive = true, .colors = Terminal::Colors::kTrueColor, .unicode = true, .width = 200};
  EXPECT_THAT(TextSummary("clip.mp4", Response(), terminal), HasSubstr("\x1b[48;2;47;79;79m"));
  terminal.colors = Terminal::Colors::k256;
  EXPECT_THAT(TextSummary("clip.mp4", Response(), terminal), HasSubstr("\x1b[48;5;"));
  EXPECT_THAT(TextSummary("clip.mp4", Response(), Terminal{}), Not(HasSubstr("\x1b")));
}

TEST(TextSummaryTest, TextOfTheResponseCannotSteerTheTerminal) {
  v1::AnalyzeResponse response = Response();
  response.set_summary("\x1b]0;owned\x07");
  response.mutable_results(0)->set_headline("\x1b[2J");
  EXPECT_THAT(TextSummary("a\x1b[1mb", response, Terminal{}), Not(HasSubstr("\x1b")));
}

TEST(TextSummaryTest, SaysNothingTwice) {
  v1::AnalyzeResponse response = Response();
  response.set_summary(
      "4.0 s of 720x1280 h264.\ncut_analysis: 2 shots, 15 cuts a minute\ncamera_analysis: mostly static");
  const std::string page = TextSummary("clip.mp4", response, Terminal{});
  EXPECT_THAT(page, Not(HasSubstr("4.0 s of")));
  EXPECT_THAT(page, Not(HasSubstr("15 cuts a minute")));
  response.set_summary(response.summary() + "\nleft out, not available: body_pose");
  const std::string more = TextSummary("clip.mp4", response, Terminal{});
  EXPECT_THAT(more, Not(HasSubstr("4.0 s of")));
  EXPECT_THAT(more, HasSubstr("left out, not available: body_pose"));
}

TEST(TextSummaryTest, TellsThePartThatWasAnalysed) {
  v1::AnalyzeResponse response = Response();
  response.mutable_video()->mutable_duration()->set_seconds(60);
  const std::string page = TextSummary("clip.mp4", response, Terminal{});
  EXPECT_THAT(page, HasSubstr("analysed from 0:00.000 to 0:04.000, 4.00 s\n"));
  EXPECT_THAT(page, HasSubstr("8.0 times as fast as it plays"));
}

TEST(TextSummaryTest, StaysWithinTheWindow) {
  const Terminal terminal{.interactive = true, .width = 70};
  const std::string page = TextSummary("clip.mp4", Response(), terminal);
  EXPECT_THAT(page, HasSubstr("service detection"));
  for (const auto line : absl::StrSplit(page, '\n')) EXPECT_LE(DisplayWidth(std::string(line)), 70) << line;
}

TEST(TextSummaryTest, AnEmptyResponseHasAPageToo) {
  EXPECT_THAT(TextSummary("clip.mp4", {}, Terminal{}), HasSubstr("clip.mp4"));
}

TEST(SwatchTest, OnlyForColours) {
  const Terminal terminal{.colors = Terminal::Colors::kTrueColor};
  EXPECT_EQ(Swatch(terminal, "#1e90ff", 2), "\x1b[48;2;30;144;255m  \x1b[0m");
  EXPECT_EQ(Swatch(terminal, "#1e90f", 2), "");
  EXPECT_EQ(Swatch(terminal, "#zzzzzz", 2), "");
  EXPECT_EQ(Swatch(terminal, "", 2), "");
}

TEST(TerminalTest, CountsAndCutsCodePoints) {
  EXPECT_EQ(DisplayWidth("\x1b[1mä–z\x1b[0m"), 3);
  EXPECT_EQ(Shorten("äöüß", 4, true), "äöüß");
  EXPECT_EQ(Shorten("äöüßx", 4, true), "äöü…");
  EXPECT_EQ(Shorten("abcdef", 5, false), "ab...");
  EXPECT_EQ(Printable("a\n\x1b\x7f\xc2\x9b"), "a ???");
  // Wide and combining characters, and bytes that are no UTF-8.
  EXPECT_EQ(DisplayWidth("日本語"), 6);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1);
  EXPECT_EQ(DisplayWidth("a\xff\xe6"), 3);
  EXPECT_EQ(DisplayWidth("\xed\xa0\x80"), 3);
  EXPECT_EQ(Shorten("日本語", 5, true), "日本…");
  EXPECT_EQ(Shorten("日本語", 4, true), "日…");
  EXPECT_EQ(Shorten("abc", 0, true), "");
}

TEST(TerminalTest, WrapsAtBlanks) {
  EXPECT_THAT(Wrap("one two three", 8), ::testing::ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("one  unbreakable", 4), ::testing::ElementsAre("one", "unbreakable"));
  EXPECT_THAT(Wrap("", 4), ::testing::ElementsAre(""));
}

TEST(DocumentTest, JsonIsProto3JsonWithEveryKey) {
  const std::string json = ToJson(Response(), /*pretty=*/true);
  EXPECT_THAT(json, HasSubstr("\"cutAnalysis\""));
  EXPECT_THAT(json, HasSubstr("\"kind\": \"HARD_CUT\""));
  EXPECT_THAT(json, HasSubstr("\"duration\": \"4s\""));
  EXPECT_THAT(json, HasSubstr("\"code\": \"UNAVAILABLE\""));
  // Fields that hold their default stand there too.
  EXPECT_THAT(json, HasSubstr("\"variableFrameRate\": false"));
  EXPECT_THAT(json, HasSubstr("\"sentBytes\": \"0\""));
  v1::AnalyzeResponse back;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &back).ok());
  EXPECT_EQ(back.SerializeAsString(), Response().SerializeAsString());
  EXPECT_THAT(ToJson(Response(), /*pretty=*/false), Not(HasSubstr("\n")));
}

TEST(DocumentTest, TextprotoReadsBack) {
  v1::AnalyzeResponse back;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(ToTextproto(Response()), &back));
  EXPECT_EQ(back.SerializeAsString(), Response().SerializeAsString());
}

TEST(DocumentTest, JsonStringEscapes) {
  EXPECT_EQ(JsonString("a\"b\\c\n"), "\"a\\\"b\\\\c\\n\"");
  // Bytes that are no UTF-8: Latin-1, cut off, too long, a surrogate.
  EXPECT_EQ(JsonString("caf\xe9.mp4"), "\"caf\xEF\xBF\xBD.mp4\"");
  EXPECT_EQ(JsonString("\xe6\x97\xa5\xe6\x97"), "\"\xe6\x97\xa5\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(JsonString("\xc0\xaf"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(JsonString("\xed\xa0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_THAT(ErrorToJson(MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound, "no \"x\"")),
              HasSubstr(R"({"code":"NOT_FOUND","reason":"SOURCE_NOT_FOUND","message":"no \"x\""})"));
}

class OutputFileTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Read(const std::string& path) const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  const std::string folder_ = ::testing::TempDir() + "output_file_test." + std::to_string(getpid());
};

TEST_F(OutputFileTest, ReplacesTheFileAndLeavesNoOther) {
  const std::string path = folder_ + "/out.json";
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());
  chmod(path.c_str(), 0640);
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  EXPECT_EQ(Read(path), "new");
  EXPECT_EQ(FileCount(), 1u);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(OutputFileTest, FollowsALink) {
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/real", "old").ok());
  std::filesystem::create_symlink("real", folder_ + "/link");
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/link", "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "/link"));
  EXPECT_EQ(Read(folder_ + "/real"), "new");
}

TEST_F(OutputFileTest, SaysWhatIsWrong) {
  EXPECT_EQ(WriteFileAtomically(folder_ + "/none/out", "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(WriteFileAtomically(folder_, "x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(WriteFileAtomically("/dev/null", "x").ok());
}

TEST_F(OutputFileTest, KnowsBeforehandWhatCannotBeWritten) {
  EXPECT_TRUE(CheckWritable(folder_ + "/new", false).ok());
  EXPECT_TRUE(CheckWritable("/dev/null", false).ok());
  EXPECT_EQ(CheckWritable("", false).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckWritable(folder_, false).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckWritable(folder_ + "/none/out", false).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(CheckWritable(folder_ + "/none/out", true).ok());
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/file", "x").ok());
  EXPECT_FALSE(CheckWritable(folder_ + "/file/out", true).ok());
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(OutputFileTest, KnowsAFileByItsOtherNames) {
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/file", "x").ok());
  std::filesystem::create_symlink("file", folder_ + "/link");
  EXPECT_TRUE(SameFile(folder_ + "/file", folder_ + "/link"));
  EXPECT_TRUE(SameFile(folder_ + "/new", folder_ + "/./new"));
  EXPECT_FALSE(SameFile(folder_ + "/new", folder_ + "/file"));
}

TEST(CompletionTest, HasEveryCommandFlagAndValue) {
  const std::vector<CommandDescription> commands = {
      {.name = "analyze",
       .help = "it's [it]: yes",
       .flags = {{.names = {"--format", "-f"},
                  .help = "Format",
                  .value = FlagDescription::Value::kWord,
                  .words = {"text", "json"}},
                 {.names = {"--quiet"}, .help = "Quiet"}}},
      {.name = "completion", .help = "Completion", .words = {"bash", "zsh"}}};
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = CompletionScript(shell, commands);
    ASSERT_TRUE(script.ok());
    EXPECT_THAT(*script, HasSubstr("analyze")) << shell;
    EXPECT_THAT(*script, HasSubstr("format")) << shell;
    EXPECT_THAT(*script, HasSubstr("text json")) << shell;
    EXPECT_THAT(*script, HasSubstr("quiet")) << shell;
    EXPECT_THAT(*script, HasSubstr("bash zsh")) << shell;
  }
  EXPECT_EQ(CompletionScript("csh", commands).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(BenchTest, TellsFirstAndWarmApart) {
  BenchReport report{
      .clip = "clip.mp4", .first = {.elapsed = absl::Seconds(2), .cpu = absl::Seconds(3)}, .processors = 2};
  report.first.response = Response();
  for (const int ms : {900, 500, 700}) {
    report.warm.push_back({.elapsed = absl::Milliseconds(ms), .cpu = absl::Seconds(1), .response = Response()});
  }
  const std::string table = BenchTable(report, Terminal{});
  EXPECT_THAT(table, ::testing::ContainsRegex("whole +2.00 s +700 ms +500 ms to 900 ms"));
  EXPECT_THAT(table, ::testing::ContainsRegex("times real time +2.0 +5.7"));
  EXPECT_THAT(table, ::testing::ContainsRegex("processors busy +1.50 of 2 +1.43 of 2"));
  EXPECT_THAT(table, ::testing::ContainsRegex("stage decode +250 ms"));
  EXPECT_THAT(table, ::testing::ContainsRegex("GPU +none +none"));
  EXPECT_THAT(table, ::testing::ContainsRegex("cut_analysis +42 ms"));
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(BenchJson(report), &json).ok()) << BenchJson(report);
  EXPECT_NEAR(json.fields().at("realtimeFactorWarm").number_value(), 4 / 0.7, 0.01);
  EXPECT_THAT(BenchJson(report), HasSubstr("\"warmMedian\":0.700000"));
  report.warm.clear();
  EXPECT_THAT(BenchJson(report), HasSubstr("\"warmMedian\":0.000000"));
}

}  // namespace
}  // namespace reelsight::cli
