// SPDX-License-Identifier: Apache-2.0
//
// One run on a real clip with fake analyzers; no queue, no server.
#include "orchestrator/video_run.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/orchestrator_config.h"
#include "shared/analysis/local_analyzer_client.h"
#include "shared/base/status.h"
#include "shared/testing/clips.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

using testing::FakeAnalyzer;

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

std::shared_ptr<Run> MakeRun(const std::shared_ptr<const v1::AnalyzeRequest>& request) {
  return std::make_shared<Run>("id", request, TestTimer());
}

// Keeps what the run's caller hears, in order.
struct Recorder final : RunObserver {
  void OnVideo(const v1::VideoInfo& video) override { events += video.codec() + " "; }
  void OnResult(const v1::AnalyzerResult& result) override { events += result.analyzer() + " "; }
  std::string events;
};

class VideoRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.mutable_sources()->set_allow_any_file(true);
    ApplyDefaults(&config_);
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
    for (const char* name : {"one", "two"}) {
      analyzers.push_back(std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description(name, 5, 8)));
    }
    host_ = *analysis::AnalyzerHost::Create("fake", "1", std::move(analyzers), 2);
    endpoints_.push_back(
        {.name = "fake", .client = std::make_shared<analysis::LocalAnalyzerClient>(*host_, executor_)});
    directory_ = std::make_unique<AnalyzerDirectory>(endpoints_, AnalyzerDirectory::Options(), nullptr);
    request_->set_uri(testing::GenerateClip(testing::TestPicture(96, 64, 50)));
  }

  // What comes of the request. `cancel` is the token of its only caller.
  absl::StatusOr<ResponsePtr> AnalyzeVideo(const CancelToken& cancel = CancelToken()) {
    const auto run = MakeRun(request_);
    run->Attach(&recorder_, cancel, [](auto) {});
    const std::unique_ptr<SourceOpener> opener = *SourceOpener::Create(config_.sources(), config_.limits(), nullptr);
    VideoRun video_run({config_, endpoints_, *directory_, *opener, *pool_}, *run, Stopwatch());
    absl::StatusOr<ResponsePtr> response = video_run.AnalyzeVideo();
    run->Finish(response);
    return response;
  }

  config::v1::OrchestratorConfig config_;
  concurrency::FairExecutor executor_{concurrency::FairExecutor::Options{.thread_count = 2}};
  std::unique_ptr<analysis::AnalyzerHost> host_;
  std::vector<Endpoint> endpoints_;
  std::unique_ptr<AnalyzerDirectory> directory_;
  const std::shared_ptr<analysis::FramePool> pool_ = analysis::FramePool::Create(64 << 20);
  const std::shared_ptr<v1::AnalyzeRequest> request_ = std::make_shared<v1::AnalyzeRequest>();
  Recorder recorder_;
};

TEST_F(VideoRunTest, GoesFromTheRequestToTheAnswerAndTellsOnTheWay) {
  request_->add_analyzers("two");
  const absl::StatusOr<ResponsePtr> response = AnalyzeVideo();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(recorder_.events, "h264 two ");
  EXPECT_EQ((*response)->request_id(), "id");
  ASSERT_EQ((*response)->results_size(), 1);
  EXPECT_EQ((*response)->results(0).timing().frame_count(), 10);
  EXPECT_EQ((*response)->video().codec(), "h264");
  EXPECT_GT((*response)->stats().source_bytes(), 0);
  EXPECT_EQ(pool_->used_bytes(), 0);
}

TEST_F(VideoRunTest, AnalysesTheSegmentsAskedFor) {
  v1::TimeSpan& segment = *request_->add_segments();
  segment.mutable_start_offset()->set_seconds(1);
  segment.mutable_end_offset()->set_seconds(2);
  const absl::StatusOr<ResponsePtr> response = AnalyzeVideo();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ((*response)->results(0).timing().frame_count(), 5);
  ASSERT_EQ((*response)->timeline().scenes_size(), 1);
  EXPECT_EQ((*response)->timeline().scenes(0).start_offset().seconds(), 1);
}

TEST_F(VideoRunTest, AWrongRequestOpensNoSource) {
  request_->set_uri("/nowhere.mp4");
  request_->add_analyzers("nothing");
  EXPECT_EQ(GetReason(AnalyzeVideo().status()), "UNKNOWN_ANALYZER");
  request_->clear_analyzers();
  EXPECT_EQ(AnalyzeVideo().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(recorder_.events, "");
}

TEST_F(VideoRunTest, TheLimitsOfTheConfigurationReachTheDecoder) {
  config_.mutable_limits()->set_max_frame_pixels(96 * 64 - 1);
  EXPECT_EQ(GetReason(AnalyzeVideo().status()), "VIDEO_TOO_LARGE");
}

TEST_F(VideoRunTest, ARunThatAllHaveLeftDoesNothing) {
  CancelToken cancel;
  cancel.Cancel();
  EXPECT_EQ(AnalyzeVideo(cancel).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(recorder_.events, "");
}

}  // namespace
}  // namespace reelsight::orchestrator
