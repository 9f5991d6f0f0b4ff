// SPDX-License-Identifier: Apache-2.0
#include "cli/report/report.h"

#include "cli/report/key_frames.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEvil[] = "</script><script>alert(1)</script><!-- {{data}} ]]> \xE2\x80\xA8 & \"'";

// The text of the page's data element.
std::string DataOf(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"report-data\">";
  const size_t start = page.find(open) + open.size();
  return page.substr(start, page.find("</script>", start) - start);
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(RenderReportTest, NoStringCanLeaveItsElement) {
  const std::string harmless = RenderReport("clip.mp4", "1.0", {}, {});
  v1::AnalyzeResponse response;
  response.set_summary(kEvil);
  response.add_results()->set_analyzer(kEvil);
  response.mutable_results(0)->mutable_status()->set_message(kEvil);
  const std::string page = RenderReport(kEvil, "1.0", response, {});
  // As many elements as without the strings.
  EXPECT_EQ(CountOf(page, "<script"), CountOf(harmless, "<script"));
  EXPECT_EQ(CountOf(page, "</script"), CountOf(harmless, "</script"));
  EXPECT_EQ(CountOf(page, "<!--"), CountOf(harmless, "<!--"));
  const std::string data = DataOf(page);
  EXPECT_EQ(data.find_first_of("<>&"), std::string::npos);
  EXPECT_THAT(data, Not(HasSubstr("\xE2\x80\xA8")));
  // And nothing is lost.
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(data, &parsed).ok());
  EXPECT_EQ(parsed.fields().at("name").string_value(), kEvil);
  EXPECT_EQ(parsed.fields().at("response").struct_value().fields().at("summary").string_value(), kEvil);
}

TEST(RenderReportTest, IsOneFileThatAsksTheNetworkForNothing) {
  const std::string page = RenderReport(
      "clip.mp4", "1.0", {}, {{.offset = absl::Milliseconds(1500), .width_px = 4, .height_px = 2, .jpeg = "\xff\xd8"}});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("\"offset\":1.500000"));
  EXPECT_THAT(page, HasSubstr("data:image/jpeg;base64,/9g="));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
  for (const char* outside : {"src=\"http", "href=\"http", "url(http", "@import", "fetch(", "XMLHttpRequest"}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(page, HasSubstr("<title>clip.mp4</title>"));
}

TEST(EscapeTest, Html) { EXPECT_EQ(EscapeHtml("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"); }

v1::Timeline Timeline(const std::vector<absl::Duration>& bounds) {
  v1::Timeline timeline;
  auto& scene = *timeline.add_scenes();
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    auto& shot = *scene.add_shots();
    *shot.mutable_start_offset() = analysis::ToProto(bounds[i]);
    *shot.mutable_end_offset() = analysis::ToProto(bounds[i + 1]);
  }
  return timeline;
}

std::vector<absl::Duration> Even(int shots, absl::Duration length) {
  std::vector<absl::Duration> bounds;
  for (int i = 0; i <= shots; ++i) bounds.push_back(length * i);
  return bounds;
}

TEST(ChooseKeyFramesTest, OneInTheMiddleOfEachShot) {
  const auto places = ChooseKeyFrames(Timeline(Even(20, absl::Seconds(2))), {});
  ASSERT_EQ(places.size(), 20u);
  EXPECT_EQ(places[3].offset, absl::Seconds(7));
  EXPECT_EQ(places[3].shot_index, 3);
}

TEST(ChooseKeyFramesTest, ManyShotsGiveAnEvenChoice) {
  const auto places = ChooseKeyFrames(Timeline(Even(300, absl::Seconds(1))), {});
  ASSERT_EQ(places.size(), 60u);
  for (size_t i = 0; i < places.size(); ++i) EXPECT_EQ(places[i].shot_index, static_cast<int>(5 * i));
}

TEST(ChooseKeyFramesTest, ALongShotGivesSeveralInOrder) {
  const auto places = ChooseKeyFrames(Timeline({absl::ZeroDuration(), absl::Seconds(1), absl::Seconds(13)}), {});
  ASSERT_EQ(places.size(), 12u);
  for (size_t i = 1; i < places.size(); ++i) {
    EXPECT_GE(places[i].offset - places[i - 1].offset, absl::Milliseconds(500));
  }
  EXPECT_EQ(places.back().shot_index, 1);
}

TEST(ChooseKeyFramesTest, TheOnlyFrameOfAShotIsNotMissed) {
  // Two frames of 40 ms each, a shot each: both start where their shot does.
  const auto places =
      ChooseKeyFrames(Timeline(Even(2, absl::Milliseconds(40))), {.frame_interval = absl::Milliseconds(40)});
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].offset, absl::ZeroDuration());
  EXPECT_EQ(places[1].offset, absl::Milliseconds(40));
}

TEST(ChooseKeyFramesTest, ShortClipsStaySparse) {
  EXPECT_EQ(ChooseKeyFrames(Timeline({absl::ZeroDuration(), absl::Milliseconds(40)}), {}).size(), 1u);
  EXPECT_TRUE(ChooseKeyFrames({}, {}).empty());
}

TEST(ChooseKeyFramesTest, MovesToWhereMostAnalyzersSawSomething) {
  v1::AnalyzeResponse response;
  v1::Timeline::Shot& shot = *response.mutable_timeline()->add_scenes()->add_shots();
  *shot.mutable_start_offset() = analysis::ToProto(absl::ZeroDuration());
  *shot.mutable_end_offset() = analysis::ToProto(absl::Seconds(2));
  const KeyFrameOptions plain = {.min_count = 1};
  ASSERT_EQ(ChooseKeyFrames(response.timeline(), plain).size(), 1u);
  EXPECT_EQ(ChooseKeyFrames(response.timeline(), plain)[0].offset, absl::Seconds(1));

  auto& track = *response.add_results()->mutable_object_detection()->add_tracks();
  // Not a time of a picture.
  *track.mutable_first_offset() = analysis::ToProto(absl::Milliseconds(900));
  for (const int ms : {300, 1200, 1800, 2500}) {
    *track.add_observations()->mutable_offset() = analysis::ToProto(absl::Milliseconds(ms));
  }
  KeyFrameOptions options = plain;
  options.sampled = SampledTimes(response);
  EXPECT_EQ(ChooseKeyFrames(response.timeline(), options)[0].offset, absl::Milliseconds(1200));
  auto& face = *response.add_results()->mutable_eye_tracking()->add_faces();
  for (const int ms : {300, 2500}) {
    *face.add_observations()->mutable_offset() = analysis::ToProto(absl::Milliseconds(ms));
  }
  options.sampled = SampledTimes(response);
  EXPECT_EQ(ChooseKeyFrames(response.timeline(), options)[0].offset, absl::Milliseconds(300));
}

}  // namespace
}  // namespace reelsight::report
