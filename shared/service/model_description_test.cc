// SPDX-License-Identifier: Apache-2.0
#include "shared/service/model_description.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/model_store/model_catalog.h"

namespace reelsight::service {
namespace {

using ::testing::HasSubstr;

// A catalogue of models of which some are installed; those can be acquired, and are loaded the first time.
class ListedModels final : public inference::ModelSource {
 public:
  ListedModels(std::string device, std::set<std::string, std::less<>> installed)
      : device_(std::move(device)), installed_(std::move(installed)) {}

  absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const override {
    if (const auto* const entry = catalog_.Find(name); entry != nullptr) return entry;
    return InvalidField("model", absl::StrCat("no model ", std::string(name)));
  }
  const config::v1::ModelEntry* DefaultFor(std::string_view, std::string_view) const override { return nullptr; }
  absl::Status Installed(std::string_view name) const override {
    if (installed_.contains(name)) return absl::OkStatus();
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                     absl::StrCat("get it by: reelsight models pull ", std::string(name)));
  }
  absl::StatusOr<inference::PinnedModel> Acquire(std::string_view name, const CancelToken&) override {
    RETURN_IF_ERROR(Installed(name));
    return inference::PinnedModel{nullptr, !loaded_.insert(std::string(name)).second};
  }
  std::string device() const override { return device_; }

 private:
  static std::string TextOf(const std::string& name, const std::string& more) {
    return absl::StrCat("models { name: '", name, "' version: '1' files { name: 'm' size_bytes: 1 path: 'm' sha256: '",
                        std::string(64, 'a'), "' } ", more, "}\n");
  }
  const model_store::ModelCatalog catalog_ = *model_store::ModelCatalog::Parse(
      absl::StrCat(TextOf("a", ""), TextOf("c", "cpu_only: true"), TextOf("d", "cpu_only: true"), TextOf("absent", ""),
                   TextOf("gone", "")),
      "test");
  const std::string device_;
  const std::set<std::string, std::less<>> installed_;
  std::set<std::string> loaded_;
};

TEST(ModelDescriptionTest, AModelOnTheCpuBesideAGpuIsToldByDescriptionsAndResults) {
  const ListedModels models("cuda:0", {"a", "c", "d"});
  const std::string told = "model c runs on the CPU, not on cuda:0, whose engine cannot run it";
  analyzer::v1::AnalyzerDescription description;
  DescribeModels(models, {"a", "c"}, &description);
  EXPECT_TRUE(description.available());
  EXPECT_EQ(description.unavailable_reason(), told);
  EXPECT_EQ(description.models(0).device(), "cuda:0");
  EXPECT_EQ(description.models(1).device(), "cpu");
  description.Clear();
  DescribeModels(models, {"c", "absent"}, &description);
  EXPECT_THAT(description.unavailable_reason(), HasSubstr("reelsight models pull absent"));
  analyzer::v1::SummarizeResponse response;
  ASSERT_TRUE(SetModels(models, {"c", "a"}, &response).ok());
  EXPECT_EQ(response.warning(), told);
  EXPECT_EQ(response.model().name(), "c");
  ASSERT_EQ(response.models_size(), 2);
  EXPECT_EQ(response.models(0).device(), "cpu");
  EXPECT_EQ(response.models(1).device(), "cuda:0");
  response.Clear();
  response.set_warning("half of it");
  ASSERT_TRUE(SetModels(models, {"c", "d"}, &response).ok());
  EXPECT_EQ(response.warning(), "half of it; models c, d run on the CPU, not on cuda:0, whose engine cannot run them");
}

TEST(ModelDescriptionTest, OnAMachineWithoutAGpuNothingIsToldOfTheCpu) {
  const ListedModels models("cpu", {"a", "c"});
  analyzer::v1::AnalyzerDescription description;
  DescribeModels(models, {"a", "c"}, &description);
  EXPECT_EQ(description.unavailable_reason(), "");
  EXPECT_EQ(description.models(0).device(), "cpu");
  analyzer::v1::SummarizeResponse response;
  ASSERT_TRUE(SetModels(models, {"c"}, &response).ok());
  EXPECT_EQ(response.warning(), "");
  EXPECT_EQ(SetModels(models, {"nonsense"}, &response).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ModelDescriptionTest, WhatIsMissingIsNamedWithOneCommandForAll) {
  const ListedModels models("cpu", {"a"});
  analyzer::v1::AnalyzerDescription description;
  DescribeModels(models, {"a", "absent"}, &description);
  EXPECT_FALSE(description.available());
  EXPECT_THAT(description.unavailable_reason(), HasSubstr("reelsight models pull absent"));
  EXPECT_EQ(description.models_size(), 2);
  description.Clear();
  DescribeModels(models, {"absent", "a", "gone"}, &description);
  EXPECT_EQ(description.unavailable_reason(),
            "models absent, gone are not installed; get them by: reelsight models pull absent gone");
}

TEST(ModelDescriptionTest, UsesOnBehalfOfBatchesAndSummariesAreCounted) {
  ListedModels models("cpu", {"a"});
  analyzer::v1::SummarizeResponse response;
  analysis::BatchView::Stats stats;
  analysis::BatchView view;
  for (int turn = 0; turn < 3; ++turn) ASSERT_TRUE(AcquireFor(response, models, "a", CancelToken()).ok());
  EXPECT_FALSE(AcquireFor(response, models, "absent", CancelToken()).ok());
  EXPECT_EQ(response.cache_misses(), 1);
  EXPECT_EQ(response.cache_hits(), 2);
  // Nowhere to count: it serves all the same.
  EXPECT_TRUE(AcquireFor(view, models, "a", CancelToken())->cache_hit);
  view.stats = &stats;
  ASSERT_TRUE(AcquireFor(view, models, "a", CancelToken()).ok());
  EXPECT_FALSE(AcquireFor(view, models, "absent", CancelToken()).ok());
  EXPECT_EQ(stats.cache_hits, 1);
  EXPECT_EQ(stats.cache_misses, 0);
}

}  // namespace
}  // namespace reelsight::service
