// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/run_registry.h"

#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using Clock = RunRegistry::Clock;

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

std::shared_ptr<v1::AnalyzeRequest> Request(const std::string& id, const std::string& content) {
  auto request = std::make_shared<v1::AnalyzeRequest>();
  request->set_request_id(id);
  request->set_content(content);
  return request;
}

TEST(RunRegistryTest, TheSameIdFindsTheSameRunUntilRetentionEnds) {
  RunRegistry registry({.retention = absl::Seconds(60)}, TestTimer());
  const Clock::time_point now = Clock::now();
  const auto first = registry.FindOrCreate(Request("a", "x"), now);
  EXPECT_TRUE(first->is_new);
  EXPECT_FALSE(registry.FindOrCreate(Request("a", "x"), now)->is_new);
  first->run->Finish(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_EQ(registry.FindOrCreate(Request("a", "x"), now)->run, first->run);
  EXPECT_EQ(registry.FindOrCreate(Request("a", "x"), now + std::chrono::seconds(59))->run, first->run);
  EXPECT_TRUE(registry.FindOrCreate(Request("a", "x"), now + std::chrono::seconds(61))->is_new);
}

TEST(RunRegistryTest, AnotherBodyIsRefusedWhateverPartDiffers) {
  const std::vector<std::pair<std::string, std::string>> sources = {
      {"content: 'x'", "content: 'y'"}, {"uri: 'file:///x'", "uri: 'file:///y'"}, {"upload_id: 'x'", "upload_id: 'y'"}};
  const std::string parts[] = {
      "analyzers: 'cut_analysis'",        "segments { end_offset { seconds: 1 } }",
      "sampling_profile: REFERENCE",      "options { cut_analysis { sensitivity: 0.3 } }",
      "sample_fps { key: 'a' value: 1 }",
  };
  // One part for each field that is neither the id nor a source: a new field needs a part here.
  const google::protobuf::Descriptor& type = *v1::AnalyzeRequest::descriptor();
  ASSERT_EQ(type.field_count(), 1 + type.FindOneofByName("source")->field_count() + static_cast<int>(std::size(parts)));
  const auto parse = [](const std::string& text) {
    auto request = std::make_shared<v1::AnalyzeRequest>();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("request_id: 'a' " + text, request.get())) << text;
    return request;
  };
  for (const auto& [source, other] : sources) {
    RunRegistry registry({}, TestTimer());
    ASSERT_TRUE(registry.FindOrCreate(parse(source), Clock::now()).ok());
    EXPECT_FALSE(registry.FindOrCreate(parse(source), Clock::now())->is_new);
    std::vector<std::string> bodies = {other};
    for (const std::string& part : parts) bodies.push_back(source + " " + part);
    for (const std::string& body : bodies) {
      EXPECT_EQ(GetReason(registry.FindOrCreate(parse(body), Clock::now()).status()), "REQUEST_ID_REUSED") << body;
    }
    // A field that a newer client knows.
    auto newer = parse(source);
    newer->GetReflection()->MutableUnknownFields(newer.get())->AddVarint(999, 1);
    EXPECT_EQ(GetReason(registry.FindOrCreate(newer, Clock::now()).status()), "REQUEST_ID_REUSED");
  }
}

TEST(RunRegistryTest, AFailedOrCancelledRunIsTriedAnew) {
  RunRegistry registry({}, TestTimer());
  const auto failed = registry.FindOrCreate(Request("a", "x"), Clock::now());
  failed->run->Finish(absl::UnavailableError("later"));
  EXPECT_TRUE(registry.FindOrCreate(Request("a", "x"), Clock::now())->is_new);
  const auto cancelled = registry.FindOrCreate(Request("b", "x"), Clock::now());
  cancelled->run->cancel().Cancel();
  EXPECT_TRUE(registry.FindOrCreate(Request("b", "x"), Clock::now())->is_new);
}

TEST(RunRegistryTest, WithoutAnIdEveryRequestIsItsOwn) {
  RunRegistry registry({}, TestTimer());
  const auto a = registry.FindOrCreate(Request("", "x"), Clock::now());
  const auto b = registry.FindOrCreate(Request("", "x"), Clock::now());
  EXPECT_NE(a->run->id(), b->run->id());
  EXPECT_EQ(a->run->id().size(), 32u);
}

TEST(RunRegistryTest, KeepsABoundedNumberOfAnswers) {
  RunRegistry registry({.retention = absl::Hours(24), .max_kept = 2}, TestTimer());
  Clock::time_point now = Clock::now();
  for (const char* id : {"a", "b", "c"}) {
    registry.FindOrCreate(Request(id, "x"), now)->run->Finish(std::make_shared<v1::AnalyzeResponse>());
    now += std::chrono::seconds(1);
    (void)registry.FindOrCreate(Request(std::string("sweep-") + id, "x"), now);
  }
  EXPECT_FALSE(registry.FindOrCreate(Request("c", "x"), now)->is_new);
  EXPECT_FALSE(registry.FindOrCreate(Request("b", "x"), now)->is_new);
  EXPECT_TRUE(registry.FindOrCreate(Request("a", "x"), now)->is_new);
}

TEST(RunRegistryTest, KeepsABoundedNumberOfBytes) {
  // An answer is a little larger than its text.
  RunRegistry registry({.max_kept_bytes = 150'000}, TestTimer());
  for (const char* id : {"a", "b", "c"}) {
    auto answer = std::make_shared<v1::AnalyzeResponse>();
    answer->set_summary(std::string(60'000, 'x'));
    registry.FindOrCreate(Request(id, "x"), Clock::now())->run->Finish(std::move(answer));
  }
  registry.Sweep(Clock::now());
  EXPECT_FALSE(registry.FindOrCreate(Request("c", "x"), Clock::now())->is_new);
  EXPECT_FALSE(registry.FindOrCreate(Request("b", "x"), Clock::now())->is_new);
  EXPECT_TRUE(registry.FindOrCreate(Request("a", "x"), Clock::now())->is_new);
}

// Many small parts take more memory than their bytes in a message, and each would keep the page that it lies in.
TEST(RunRegistryTest, AnAnswerIsKeptAsItsBytes) {
  auto answer = std::make_shared<v1::AnalyzeResponse>();
  for (int i = 0; i < 1000; ++i) answer->add_results();
  const auto bytes = static_cast<int64_t>(answer->ByteSizeLong());
  ASSERT_GT(static_cast<int64_t>(answer->SpaceUsedLong()), 10 * bytes);
  const std::weak_ptr<v1::AnalyzeResponse> parts = answer;
  RunRegistry registry({.max_kept_bytes = 2 * bytes}, TestTimer());
  const auto run = registry.FindOrCreate(Request("a", "x"), Clock::now())->run;
  run->Finish(std::move(answer));
  EXPECT_TRUE(parts.expired());
  EXPECT_GE(run->answer_bytes(), bytes);
  EXPECT_FALSE(registry.FindOrCreate(Request("a", "x"), Clock::now())->is_new);
}

// Owns `value`. When that is destroyed, the registry is asked something on another thread; `answered` tells whether it
// could answer.
template <typename T>
std::shared_ptr<T> LooksBack(T* value, RunRegistry& registry, bool& answered) {
  return {value, [&registry, &answered](T* dead) {
            std::future<void> asked = std::async(std::launch::async, [&] { registry.Sweep(Clock::now()); });
            answered = asked.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
            // Where the lock is held, waiting for the answer here would last for ever.
            static std::vector<std::future<void>>& late = *new std::vector<std::future<void>>();
            if (!answered) late.push_back(std::move(asked));
            delete dead;
          }};
}

TEST(RunRegistryTest, RunsAndAnswersAreDestroyedWithoutItsLock) {
  RunRegistry registry({.retention = absl::Seconds(60), .max_kept = 1}, TestTimer());
  const Clock::time_point now = Clock::now();
  bool crowded_out = false, outdated = false, replaced = false;
  const auto finish = [&](const char* id, bool& answered) {
    registry.FindOrCreate(Request(id, "x"), now)
        ->run->Finish(
            LooksBack(static_cast<const v1::AnalyzeResponse*>(new v1::AnalyzeResponse()), registry, answered));
  };
  finish("crowded out", crowded_out);
  finish("outdated", outdated);
  registry.Sweep(now);
  EXPECT_TRUE(crowded_out);
  registry.Sweep(now + std::chrono::seconds(61));
  EXPECT_TRUE(outdated);
  // A run under way that all have left, and that a new one replaces.
  auto* request = new v1::AnalyzeRequest();
  request->set_request_id("replaced");
  registry.FindOrCreate(LooksBack(static_cast<const v1::AnalyzeRequest*>(request), registry, replaced), now)
      ->run->cancel()
      .Cancel();
  EXPECT_TRUE(registry.FindOrCreate(Request("replaced", "x"), now)->is_new);
  EXPECT_TRUE(replaced);
}

TEST(RunRegistryTest, RetentionCountsFromTheEndHoweverLateSomebodyLooks) {
  RunRegistry registry({.retention = absl::Seconds(60)}, TestTimer());
  registry.FindOrCreate(Request("a", "x"), Clock::now())->run->Finish(std::make_shared<v1::AnalyzeResponse>());
  EXPECT_TRUE(registry.FindOrCreate(Request("a", "x"), Clock::now() + std::chrono::seconds(61))->is_new);
}

TEST(RunRegistryTest, AnAnswerIsKeptThoughTheTimeOfItsRunIsOver) {
  RunRegistry registry({}, TestTimer());
  const auto first = registry.FindOrCreate(Request("a", "x"), Clock::now());
  first->run->Finish(std::make_shared<v1::AnalyzeResponse>());
  first->run->cancel().SetDeadline(Clock::now());
  EXPECT_EQ(registry.FindOrCreate(Request("a", "x"), Clock::now())->run, first->run);
  EXPECT_EQ(GetReason(registry.FindOrCreate(Request("a", "y"), Clock::now()).status()), "REQUEST_ID_REUSED");
}

TEST(RunRegistryTest, RetentionIsOverWhenItsTimeHasPassed) {
  RunRegistry registry({.retention = absl::Seconds(60)}, TestTimer());
  const auto run = registry.FindOrCreate(Request("a", "x"), Clock::now())->run;
  run->Finish(std::make_shared<v1::AnalyzeResponse>());
  const Clock::time_point end = run->finished_at() + std::chrono::seconds(60);
  registry.Sweep(end - std::chrono::nanoseconds(1));
  EXPECT_EQ(registry.FindOrCreate(Request("a", "x"), end - std::chrono::nanoseconds(1))->run, run);
  EXPECT_TRUE(registry.FindOrCreate(Request("a", "x"), end)->is_new);
}

TEST(RunRegistryTest, RunsUnderWayAreNeverCrowdedOut) {
  RunRegistry registry({.retention = absl::Seconds(1), .max_kept = 0, .max_kept_bytes = 0}, TestTimer());
  std::vector<std::shared_ptr<orchestrator::Run>> runs;
  for (const char* id : {"a", "b", "c"}) runs.push_back(registry.FindOrCreate(Request(id, "x"), Clock::now())->run);
  runs[1]->Finish(std::make_shared<v1::AnalyzeResponse>());
  registry.Sweep(Clock::now() + std::chrono::hours(1));
  EXPECT_EQ(registry.FindOrCreate(Request("a", "x"), Clock::now())->run, runs[0]);
  EXPECT_TRUE(registry.FindOrCreate(Request("b", "x"), Clock::now())->is_new);
  EXPECT_EQ(registry.FindOrCreate(Request("c", "x"), Clock::now())->run, runs[2]);
}

TEST(RunRegistryTest, OneSweepDropsAllThatAreTooManyTheOldestFirstWhateverTheirIds) {
  RunRegistry registry({.max_kept = 2}, TestTimer());
  std::vector<std::weak_ptr<orchestrator::Run>> runs;
  for (const char* id : {"m", "z", "a", "k", "b"}) {
    runs.push_back(registry.FindOrCreate(Request(id, "x"), Clock::now())->run);
  }
  for (const auto& run : runs) {
    // One after the other, by a clock that may be coarse.
    const Clock::time_point before = Clock::now();
    while (Clock::now() == before) {
    }
    run.lock()->Finish(std::make_shared<v1::AnalyzeResponse>());
  }
  registry.Sweep(Clock::now());
  std::vector<bool> gone;
  for (const auto& run : runs) gone.push_back(run.expired());
  EXPECT_EQ(gone, (std::vector<bool>{true, true, true, false, false}));
}

TEST(RunRegistryTest, ARefusalNamesTheFieldAndTheId) {
  RunRegistry registry({}, TestTimer());
  ASSERT_TRUE(registry.FindOrCreate(Request("mine", "x"), Clock::now()).ok());
  const absl::Status refused = registry.FindOrCreate(Request("mine", "y"), Clock::now()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(GetMetadata(refused, "field"), "request_id");
  EXPECT_EQ(refused.message(), "request_id: `mine` belongs to a request with another body; use a new id");
}

TEST(FingerprintTest, IsAHashOfTheWholeBodyAndOfNothingElse) {
  v1::AnalyzeRequest request = *Request("a", "x");
  EXPECT_EQ(Fingerprint(request).size(), 64u);
  v1::AnalyzeRequest other = request;
  other.set_request_id("b");
  EXPECT_EQ(Fingerprint(other), Fingerprint(request));
  other.set_content("y");
  EXPECT_NE(Fingerprint(other), Fingerprint(request));
  other.set_uri("x");
  EXPECT_NE(Fingerprint(other), Fingerprint(request));
  // Whatever the order in which a map was filled.
  v1::AnalyzeRequest up, down;
  for (int i = 0; i < 50; ++i) (*up.mutable_sample_fps())[std::to_string(i)] = i;
  for (int i = 49; i >= 0; --i) (*down.mutable_sample_fps())[std::to_string(i)] = i;
  EXPECT_EQ(Fingerprint(up), Fingerprint(down));
}

}  // namespace
}  // namespace reelsight::orchestrator
