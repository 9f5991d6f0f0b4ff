// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/analyzer_directory.h"

#include <atomic>
#include <future>
#include <string>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// Answers what it is asked at once, until it is frozen; then it keeps the questions.
class FreezingClient final : public analysis::AnalyzerClient {
 public:
  explicit FreezingClient(bool frozen) : FreezingClient(frozen, Offer("one", true)) {}
  FreezingClient(bool frozen, analyzer::v1::DescribeResponse answer) : answer_(std::move(answer)), frozen_(frozen) {}

  // A service with one analyzer.
  static analyzer::v1::DescribeResponse Offer(const std::string& name, bool available) {
    analyzer::v1::DescribeResponse response;
    analyzer::v1::AnalyzerDescription& analyzer = *response.add_analyzers();
    analyzer.set_name(name);
    analyzer.set_available(available);
    if (!available) analyzer.set_unavailable_reason("pull its weights");
    return response;
  }

  void Freeze() {
    MutexLock lock(mutex_);
    frozen_ = true;
  }
  // Questions so far.
  int asked() const { return asked_.load(); }
  int waiting() {
    MutexLock lock(mutex_);
    return static_cast<int>(questions_.size());
  }
  void Thaw() {
    std::vector<DescribeCallback> questions;
    {
      MutexLock lock(mutex_);
      frozen_ = false;
      questions.swap(questions_);
    }
    for (const DescribeCallback& question : questions) question(answer_);
  }

  void Describe(const CancelToken&, DescribeCallback done) override {
    ++asked_;
    {
      MutexLock lock(mutex_);
      if (frozen_) {
        questions_.push_back(std::move(done));
        return;
      }
    }
    done(answer_);
  }
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch>, const CancelToken&, BatchCallback) override {}
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest>, const CancelToken&,
                 SummarizeCallback) override {}

 private:
  const analyzer::v1::DescribeResponse answer_;
  std::atomic<int> asked_ = 0;
  Mutex mutex_;
  bool frozen_ ABSL_GUARDED_BY(mutex_);
  std::vector<DescribeCallback> questions_ ABSL_GUARDED_BY(mutex_);
};

Endpoint Peer(const std::string& name, std::shared_ptr<analysis::AnalyzerClient> client) {
  return {name, std::move(client), 1, absl::Seconds(1), 0};
}

void Until(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::yield();
}

TEST(AnalyzerDirectoryTest, ASilentServiceIsToldAndAskedOnceAndNobodyWaitsForIt) {
  const auto silent = std::make_shared<FreezingClient>(false);
  const auto well = std::make_shared<FreezingClient>(false);
  AnalyzerDirectory directory({Peer("silent", silent), Peer("well", well)},
                              {.interval = absl::Milliseconds(1), .answer_timeout = absl::Milliseconds(20)}, nullptr);
  ASSERT_TRUE(directory.Snapshot()[0].status.ok());
  silent->Freeze();
  Until([&] { return silent->waiting() == 1; });
  Until([&] { return !directory.Snapshot()[0].status.ok(); });
  const int asked = silent->asked();
  // The other is asked again and again.
  const int before = well->asked();
  Until([&] { return well->asked() > before + 20; });
  EXPECT_EQ(silent->asked(), asked);
  const std::vector<EndpointSnapshot> snapshot = directory.Snapshot();
  EXPECT_EQ(snapshot[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(snapshot[0].description.analyzers_size(), 1);
  EXPECT_TRUE(snapshot[1].status.ok());
  silent->Thaw();
  Until([&] { return directory.Snapshot()[0].status.ok(); });
}

TEST(AnalyzerDirectoryTest, WaitsForAServiceThatWasNeverHeardOfForOneRoundAlone) {
  const auto silent = std::make_shared<FreezingClient>(true);
  AnalyzerDirectory directory({Peer("silent", silent)},
                              {.answer_timeout = absl::Hours(24), .first_round = absl::Milliseconds(20)}, nullptr);
  std::promise<void> known;
  directory.WhenKnown([&] { known.set_value(); });
  known.get_future().wait();
  EXPECT_TRUE(directory.known());
  EXPECT_EQ(directory.Snapshot()[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(silent->asked(), 1);
}

TEST(AnalyzerDirectoryTest, TheFirstAnswersEndTheWait) {
  const auto client = std::make_shared<FreezingClient>(true);
  AnalyzerDirectory directory({Peer("late", client)},
                              {.answer_timeout = absl::Hours(24), .first_round = absl::Hours(24)}, nullptr);
  std::promise<void> known;
  directory.WhenKnown([&] { known.set_value(); });
  Until([&] { return client->waiting() == 1; });
  EXPECT_FALSE(directory.known());
  client->Thaw();
  known.get_future().wait();
  EXPECT_TRUE(directory.Snapshot()[0].status.ok());
}

TEST(AnalyzerDirectoryTest, ListsAnalyzersByNameAndSaysWhyOneIsNotAvailable) {
  const auto lacking = std::make_shared<FreezingClient>(false, FreezingClient::Offer("weightless", false));
  const auto silent = std::make_shared<FreezingClient>(false, FreezingClient::Offer("early", true));
  const auto second = std::make_shared<FreezingClient>(false, FreezingClient::Offer("early", true));
  AnalyzerDirectory directory({Peer("lacking", lacking), Peer("silent", silent), Peer("second", second)},
                              {.interval = absl::Milliseconds(1), .answer_timeout = absl::Milliseconds(20)}, nullptr);
  ASSERT_TRUE(directory.Snapshot()[1].status.ok());
  silent->Freeze();
  Until([&] { return !directory.Snapshot()[1].status.ok(); });
  const v1::ListAnalyzersResponse list = directory.ListAnalyzers();
  EXPECT_FALSE(list.server_version().empty());
  ASSERT_EQ(list.analyzers_size(), 2);
  // The first service that offers a name has it.
  EXPECT_EQ(list.analyzers(0).name(), "early");
  EXPECT_EQ(list.analyzers(0).service(), "silent");
  EXPECT_FALSE(list.analyzers(0).available());
  EXPECT_EQ(list.analyzers(0).unavailable_reason(), "service silent does not answer: no answer within 20ms");
  EXPECT_EQ(list.analyzers(0).result_type(), "google.protobuf.Struct");
  EXPECT_EQ(list.analyzers(1).name(), "weightless");
  EXPECT_FALSE(list.analyzers(1).available());
  EXPECT_EQ(list.analyzers(1).unavailable_reason(), "pull its weights");
  silent->Thaw();
}

TEST(AnalyzerDirectoryTest, IsHealthyWhileAServiceThatAnswersHasAnAnalyzerToUse) {
  const auto lacking = std::make_shared<FreezingClient>(false, FreezingClient::Offer("weightless", false));
  const auto well = std::make_shared<FreezingClient>(false);
  AnalyzerDirectory directory({Peer("lacking", lacking), Peer("well", well)},
                              {.interval = absl::Milliseconds(1), .answer_timeout = absl::Milliseconds(20)}, nullptr);
  EXPECT_TRUE(directory.Health().ok());
  well->Freeze();
  Until([&] { return !directory.Health().ok(); });
  const absl::Status unhealthy = directory.Health();
  EXPECT_EQ(GetReason(unhealthy), "ANALYZER_UNAVAILABLE");
  EXPECT_EQ(std::string(unhealthy.message()),
            "no analyzer can be used; weightless: pull its weights; service well: no answer within 20ms");
  well->Thaw();
}

TEST(AnalyzerDirectoryTest, TheEndWaitsForNobodyAndLeavesNobodyWaiting) {
  const auto silent = std::make_shared<FreezingClient>(true);
  bool told = false;
  {
    AnalyzerDirectory directory({Peer("silent", silent)},
                                {.answer_timeout = absl::Hours(24), .first_round = absl::Hours(24)}, nullptr);
    directory.WhenKnown([&] { told = true; });
    Until([&] { return silent->waiting() == 1; });
  }
  EXPECT_TRUE(told);
  // An answer that comes too late.
  silent->Thaw();
}

}  // namespace
}  // namespace reelsight::orchestrator
