// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/measured_client.h"

#include <functional>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

using Answer = absl::StatusOr<analyzer::v1::AnalyzeFramesResponse>;

// Keeps the callback of a batch; answers the rest by codes that tell which it was.
class HoldingClient final : public analysis::AnalyzerClient {
 public:
  explicit HoldingClient(bool remote) : remote_(remote) {}
  void Describe(const CancelToken&, DescribeCallback done) override { done(absl::NotFoundError("description")); }
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch>, const CancelToken&, BatchCallback done) override {
    held = std::move(done);
  }
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest>, const CancelToken&,
                 SummarizeCallback done) override {
    done(absl::NotFoundError("summary"));
  }
  bool remote() const override { return remote_; }

  BatchCallback held;

 private:
  const bool remote_;
};

std::shared_ptr<const analysis::Batch> BatchOfTwo() {
  auto batch = std::make_shared<analysis::Batch>();
  for (int i = 0; i < 2; ++i) {
    const auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kGray8, analysis::ImageSize{10, 3});
    batch->frames.push_back({i, absl::ZeroDuration(), image});
  }
  return batch;
}

TEST(MeasuredClientTest, MeasuresEachAttemptAtABatch) {
  telemetry::Metrics metrics({.service = "orchestrator", .orchestrator = true});
  metrics.DeclareService("peer");
  telemetry::OrchestratorMetrics& measured = metrics.orchestrator();
  const auto log = std::make_shared<AttemptLog>();
  const auto peer = std::make_shared<HoldingClient>(true);
  MeasuredClient client(peer, "peer", &metrics, log);
  EXPECT_TRUE(client.remote());
  int answers = 0;
  for (const absl::Status& status :
       {absl::OkStatus(), absl::UnavailableError("gone"), absl::UnavailableError("gone")}) {
    client.AnalyzeFrames(BatchOfTwo(), CancelToken(), [&](const Answer& answer) {
      ++answers;
      EXPECT_EQ(answer.status(), status);
    });
    EXPECT_EQ(measured.batches_in_flight.Value({"peer"}), 1);
    peer->held(status.ok() ? Answer(analyzer::v1::AnalyzeFramesResponse()) : Answer(status));
    EXPECT_EQ(measured.batches_in_flight.Value({"peer"}), 0);
  }
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(measured.batch_attempts_total.Value({"peer", "OK"}), 1);
  EXPECT_EQ(measured.batch_attempts_total.Value({"peer", "UNAVAILABLE"}), 2);
  EXPECT_EQ(measured.sent_bytes_total.Value({"peer"}), 3 * 2 * 30);
  EXPECT_EQ(log->sent_bytes(), 3 * 2 * 30);
  EXPECT_EQ(measured.batch_duration_seconds.Count({"peer"}), 3);
}

TEST(MeasuredClientTest, InOneProcessNothingIsSent) {
  telemetry::Metrics metrics({.service = "orchestrator", .orchestrator = true});
  metrics.DeclareService("peer");
  for (telemetry::Metrics* const where : {&metrics, static_cast<telemetry::Metrics*>(nullptr)}) {
    const auto log = std::make_shared<AttemptLog>();
    const auto peer = std::make_shared<HoldingClient>(false);
    MeasuredClient client(peer, "peer", where, log);
    EXPECT_FALSE(client.remote());
    absl::Status answered;
    client.AnalyzeFrames(BatchOfTwo(), CancelToken(), [&](const Answer& answer) { answered = answer.status(); });
    peer->held(absl::AbortedError("told"));
    EXPECT_EQ(answered, absl::AbortedError("told"));
    EXPECT_EQ(log->sent_bytes(), 0);
  }
  EXPECT_EQ(metrics.orchestrator().sent_bytes_total.Value({"peer"}), 0);
}

TEST(MeasuredClientTest, OtherCallsGoThrough) {
  MeasuredClient client(std::make_shared<HoldingClient>(true), "peer", nullptr, std::make_shared<AttemptLog>());
  absl::Status description, summary;
  client.Describe(CancelToken(), [&](const auto& answer) { description = answer.status(); });
  client.Summarize(std::make_shared<analyzer::v1::SummarizeRequest>(), CancelToken(),
                   [&](const auto& answer) { summary = answer.status(); });
  EXPECT_EQ(description, absl::NotFoundError("description"));
  EXPECT_EQ(summary, absl::NotFoundError("summary"));
}

}  // namespace
}  // namespace reelsight::orchestrator
