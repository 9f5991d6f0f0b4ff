// SPDX-License-Identifier: Apache-2.0
//
// What is made of boxes that no network has to find first.
#include "services/detection/object_detection/object_analyzer.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/v1/object_detection.pb.h"
#include "services/detection/object_detection/detection_payload.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"

namespace reelsight::object_detection {
namespace {

using config::v1::ModelEntry;
using inference::Detection;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using v1::ObjectDetectionOptions;
using v1::ObjectDetectionResult;

constexpr int kPerson = 0;
constexpr int kBus = 1;
constexpr int kFox = 2;

// A catalogue of one model that nobody loads.
class Labels final : public inference::ModelSource {
 public:
  Labels() {
    entry_.set_name("boxes");
    entry_.set_task("object_detection");
    for (const char* label : {"person", "bus", "fox"}) entry_.add_labels(label);
  }
  absl::StatusOr<const ModelEntry*> Entry(std::string_view /*name*/) const override { return &entry_; }
  const ModelEntry* DefaultFor(std::string_view /*task*/, std::string_view /*role*/) const override { return &entry_; }
  absl::Status Installed(std::string_view /*name*/) const override { return absl::OkStatus(); }
  absl::StatusOr<inference::PinnedModel> Acquire(std::string_view /*name*/, const CancelToken& /*cancel*/) override {
    return absl::UnimplementedError("no frames here");
  }

 private:
  ModelEntry entry_;
};

Detection At(int label, float left) {
  return {.box = {.left = left, .top = 0.1F, .right = left + 0.1F, .bottom = 0.3F}, .score = 0.9F, .label = label};
}

// The answer to one list of boxes for each third of a second.
ObjectDetectionResult Summarize(const std::vector<std::vector<Detection>>& frames,
                                const ObjectDetectionOptions& options = {}, std::string* headline = nullptr) {
  analyzer::v1::SummarizeRequest request;
  request.set_sample_fps(3);
  request.mutable_video()->set_frame_rate(30);
  request.mutable_options()->PackFrom(options);
  for (size_t i = 0; i < frames.size(); ++i) {
    analyzer::v1::FrameResult& frame = *request.add_results();
    frame.set_index(static_cast<int64_t>(10 * i));
    *frame.mutable_offset() = analysis::ToProto(absl::Seconds(i) / 3);
    frame.set_payload(EncodeDetections(frames[i]));
  }
  Labels models;
  const auto response = MakeObjectAnalyzer(models)->Summarize(request, CancelToken());
  EXPECT_TRUE(response.ok()) << response.status();
  ObjectDetectionResult result;
  EXPECT_TRUE(response->typed().UnpackTo(&result));
  EXPECT_EQ(response->timeline_size(), result.tracks_size());
  if (headline != nullptr) *headline = response->headline();
  return result;
}

std::vector<std::string> TrackLabels(const ObjectDetectionResult& result) {
  std::vector<std::string> labels;
  for (const auto& track : result.tracks()) labels.push_back(track.label());
  return labels;
}

// Label -> (tracks, most at once).
std::vector<std::pair<std::string, std::pair<int, int>>> Counts(const ObjectDetectionResult& result) {
  std::vector<std::pair<std::string, std::pair<int, int>>> counts;
  for (const auto& count : result.counts()) counts.push_back({count.label(), {count.tracks(), count.most_at_once()}});
  return counts;
}

// Two people side by side, then one of them and a third, whom the second never meets; a bus all the time.
const std::vector<std::vector<Detection>>& Street() {
  static const auto& frames =
      *new std::vector<std::vector<Detection>>{{At(kPerson, 0.1F), At(kPerson, 0.4F), At(kBus, 0.7F)},
                                               {At(kPerson, 0.1F), At(kPerson, 0.4F), At(kBus, 0.7F)},
                                               {At(kPerson, 0.1F), At(kBus, 0.7F)},
                                               {At(kPerson, 0.1F), At(kBus, 0.7F)},
                                               {At(kPerson, 0.1F), At(kBus, 0.7F)},
                                               {At(kPerson, 0.1F), At(kBus, 0.7F)},
                                               {At(kPerson, 0.1F), At(kPerson, 0.55F), At(kBus, 0.7F)}};
  return frames;
}

TEST(ObjectAnalyzerTest, CountsTracksAndHowManyWereSeenAtOnce) {
  std::string headline;
  const ObjectDetectionResult result = Summarize(Street(), {}, &headline);
  EXPECT_THAT(Counts(result), ElementsAre(Pair("person", Pair(3, 2)), Pair("bus", Pair(1, 1))));
  EXPECT_EQ(headline, "3 people, 1 bus");
}

TEST(ObjectAnalyzerTest, OnlyTheLabelsAskedForAreInTheAnswer) {
  ObjectDetectionOptions options;
  options.add_labels("bus");
  std::string headline;
  const ObjectDetectionResult result = Summarize(Street(), options, &headline);
  EXPECT_THAT(TrackLabels(result), ElementsAre("bus"));
  EXPECT_THAT(Counts(result), ElementsAre(Pair("bus", Pair(1, 1))));
  EXPECT_EQ(result.tracks(0).track_id(), 1);
  EXPECT_EQ(headline, "1 bus");

  options.add_labels("person");
  EXPECT_EQ(Summarize(Street(), options).tracks_size(), 4);
  options.clear_labels();
  options.add_labels("fox");
  EXPECT_THAT(TrackLabels(Summarize(Street(), options)), IsEmpty());
}

TEST(ObjectAnalyzerTest, ATrackLivesOverAGapAsLongAsTheSampleRateAllows) {
  // Seen, missed for two samples (2/3 s), seen again: one fox. Missed for four: two of them.
  const std::vector<Detection> fox = {At(kFox, 0.5F)};
  std::string headline;
  EXPECT_EQ(Summarize({fox, fox, {}, {}, fox}).tracks_size(), 1);
  EXPECT_EQ(Summarize({fox, fox, {}, {}, {}, {}, fox}, {}, &headline).tracks_size(), 2);
  EXPECT_EQ(headline, "2 foxes");
}

}  // namespace
}  // namespace reelsight::object_detection
