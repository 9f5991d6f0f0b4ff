// SPDX-License-Identifier: Apache-2.0
//
// Every analyzer of the service, held to the promise that makes replicas interchangeable: the results do not depend on
// how frames were batched, in which order batches came, or which replica took them.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/frame_payload/payload_test_support.h"
#include "services/lightweight/analyzers.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::lightweight {
namespace {

using analysis::Image;
using analysis::ImageSize;
using Description = analyzer::v1::AnalyzerDescription;
using Results = std::map<int64_t, std::string>;

constexpr int64_t kFrameCount = 90;
constexpr int64_t kShotFrames = 30;
constexpr double kFps = 30;

// A texture that moves to the right; another one in each shot.
uint8_t Value(int x, int y, int64_t frame, int plane) {
  const int shot = static_cast<int>(frame / kShotFrames);
  const double moved = x + 0.7 * static_cast<double>(frame % kShotFrames);
  const double wave = std::sin(moved * (0.21 + 0.05 * shot)) * std::cos(y * (0.17 + 0.04 * plane)) +
                      std::sin(0.9 * moved + 1.3 * y + shot);
  return static_cast<uint8_t>(std::clamp(90 + 40 * shot + 30 * wave, 0.0, 255.0));
}

std::shared_ptr<const Image> Picture(analysis::PixelFormat format, int64_t frame) {
  constexpr ImageSize kSize = {96, 54};
  auto image = std::make_shared<Image>(format, kSize);
  uint8_t* const bytes = image->mutable_plane(0);
  const auto size = static_cast<int>(analysis::ImageBytes(format, kSize));
  const int channels = format == analysis::PixelFormat::kRgb24 ? 3 : 1;
  for (int i = 0; i < size; ++i) {
    const int pixel = i / channels;
    bytes[i] = Value(pixel % kSize.width_px, pixel / kSize.width_px, frame, i % channels);
  }
  return image;
}

absl::Duration OffsetOf(int64_t frame) { return absl::Seconds(static_cast<double>(frame) / kFps); }

std::unique_ptr<analysis::AnalyzerHost> MakeReplica() {
  return *analysis::AnalyzerHost::Create("lightweight", "1", MakeLightweightAnalyzers(), 1);
}

// One analyzer over one clip.
class ClipRun {
 public:
  explicit ClipRun(const Description& description) : description_(description) {
    const double fps = description.sampling().sample_fps();
    const auto interval = fps > 0 ? std::max<int64_t>(1, std::llround(kFps / fps)) : 1;
    for (int64_t i = 0; i < kFrameCount; i += interval) targets_.push_back(i);
    const auto format = *analysis::FromProto(description.frame_spec().format());
    for (int64_t i = 0; i < kFrameCount; ++i) images_.push_back(Picture(format, i));
  }

  // Payloads of `targets`, ascending, as one batch with the context that Describe asks for.
  void Analyze(const analysis::AnalyzerHost& replica, const std::vector<int64_t>& targets, Results& results) const {
    std::set<int64_t> all(targets.begin(), targets.end());
    std::set<int64_t> context;
    for (const int64_t target : targets) {
      for (const int64_t before : Before(target)) {
        if (all.insert(before).second) context.insert(before);
      }
    }
    analysis::Batch batch;
    for (const int64_t index : all) batch.frames.push_back({index, OffsetOf(index), images_[index]});
    batch.work.push_back({.analyzer = description_.name(),
                          .options = {},
                          .target_indexes = targets,
                          .context_indexes = {context.begin(), context.end()}});
    const auto response = replica.AnalyzeFrames(batch, CancelToken());
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_EQ(response->results(0).results_size(), static_cast<int>(targets.size()));
    for (const analyzer::v1::FrameResult& result : response->results(0).results()) {
      results[result.index()] = result.SerializeAsString();
    }
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analysis::AnalyzerHost& replica,
                                                            const Results& results) const {
    analyzer::v1::SummarizeRequest request;
    request.set_analyzer(description_.name());
    request.mutable_video()->set_width_px(96);
    request.mutable_video()->set_height_px(54);
    for (const auto& [index, bytes] : results) EXPECT_TRUE(request.add_results()->ParseFromString(bytes));
    *request.add_segments()->mutable_start_offset() = analysis::ToProto(absl::ZeroDuration());
    *request.mutable_segments(0)->mutable_end_offset() = analysis::ToProto(OffsetOf(kFrameCount));
    v1::CutAnalysisResult cuts;
    for (int64_t start = 0; start < kFrameCount; start += kShotFrames) {
      *cuts.add_shots()->mutable_start_offset() = analysis::ToProto(OffsetOf(start));
      *cuts.mutable_shots()->rbegin()->mutable_end_offset() = analysis::ToProto(OffsetOf(start + kShotFrames));
    }
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("cut_analysis");
    dependency.mutable_summary()->mutable_typed()->PackFrom(cuts);
    return replica.Summarize(request, CancelToken());
  }

  // The summary's bytes.
  std::string Summary(const analysis::AnalyzerHost& replica, const Results& results) const {
    const auto response = Summarize(replica, results);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->SerializeAsString() : "";
  }

  const std::vector<int64_t>& targets() const { return targets_; }

 private:
  std::vector<int64_t> Before(int64_t target) const {
    const int count = description_.sampling().context_frames();
    std::vector<int64_t> before;
    if (description_.sampling().context_kind() == analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED) {
      const auto place = std::find(targets_.begin(), targets_.end(), target);
      const auto reach = std::min<ptrdiff_t>(count, place - targets_.begin());
      before.assign(place - reach, place);
    } else {
      for (int64_t i = std::max<int64_t>(0, target - count); i < target; ++i) before.push_back(i);
    }
    return before;
  }

  Description description_;
  std::vector<int64_t> targets_;
  std::vector<std::shared_ptr<const Image>> images_;
};

// Deals the targets out to batches of 1 to 9, not neighbours only.
std::vector<std::vector<int64_t>> Deal(std::vector<int64_t> targets, std::mt19937& random) {
  std::shuffle(targets.begin(), targets.end(), random);
  std::vector<std::vector<int64_t>> batches;
  for (size_t next = 0; next < targets.size();) {
    const size_t end = std::min(targets.size(), next + 1 + random() % 9);
    batches.emplace_back(targets.begin() + static_cast<ptrdiff_t>(next), targets.begin() + static_cast<ptrdiff_t>(end));
    std::sort(batches.back().begin(), batches.back().end());
    next = end;
  }
  return batches;
}

TEST(BatchingTest, ResultsDependNeitherOnBatchesNorOnReplicas) {
  const std::unique_ptr<analysis::AnalyzerHost> one = MakeReplica(), other = MakeReplica();
  const analyzer::v1::DescribeResponse described = one->Describe();
  ASSERT_EQ(described.analyzers_size(), static_cast<int>(MakeLightweightAnalyzers().size()));
  std::mt19937 random(20261124);
  for (const Description& description : described.analyzers()) {
    SCOPED_TRACE(description.name());
    const ClipRun run(description);
    Results together;
    run.Analyze(*one, run.targets(), together);
    const std::string summary = run.Summary(*one, together);
    EXPECT_FALSE(summary.empty());
    for (int turn = 0; turn < 4; ++turn) {
      Results apart;
      for (const std::vector<int64_t>& batch : Deal(run.targets(), random)) {
        run.Analyze(random() % 2 == 0 ? *one : *other, batch, apart);
      }
      // camera_analysis measures in a batch what the batch allows, and the rest when it summarizes.
      if (description.name() != "camera_analysis") {
        EXPECT_TRUE(apart == together) << "frame results differ in turn " << turn;
      }
      EXPECT_TRUE(run.Summary(*other, apart) == summary) << "summaries differ in turn " << turn;
    }
  }
}

TEST(BatchingTest, FrameResultsOfAnotherVersionAreRefused) {
  const std::unique_ptr<analysis::AnalyzerHost> replica = MakeReplica();
  const analyzer::v1::DescribeResponse described = replica->Describe();
  for (const Description& description : described.analyzers()) {
    SCOPED_TRACE(description.name());
    const ClipRun run(description);
    Results results;
    run.Analyze(*replica, run.targets(), results);
    // One frame of many, in the middle of the video.
    const auto place = std::next(results.begin(), static_cast<ptrdiff_t>(results.size() / 2));
    analyzer::v1::FrameResult frame;
    ASSERT_TRUE(frame.ParseFromString(place->second));
    const std::string good = frame.payload();
    const int known = frame_payload::VersionOfForTest(good);
    for (const int version : {known + 1, known - 1}) {
      frame.set_payload(frame_payload::WithVersionForTest(good, version));
      place->second = frame.SerializeAsString();
      frame_payload::ExpectVersionRefused(run.Summarize(*replica, results).status(), version, known);
    }
    frame.set_payload(good.substr(0, good.size() - 1));
    place->second = frame.SerializeAsString();
    EXPECT_EQ(GetReason(run.Summarize(*replica, results).status()), "BAD_FRAME");
  }
}

}  // namespace
}  // namespace reelsight::lightweight
