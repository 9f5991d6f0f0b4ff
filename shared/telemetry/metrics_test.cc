// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/metrics.h"

#include <curl/curl.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Metrics::Options All() {
  return {.service = "test",
          .version = "1.2.3",
          .methods = {"Analyze"},
          .analyzers = true,
          .models = true,
          .orchestrator = true};
}

std::string Get(const std::string& url) {
  std::string body;
  CURL* const curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(
      curl, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, void* out) {
        static_cast<std::string*>(out)->append(data, size * count);
        return size * count;
      });
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  curl_easy_perform(curl);
  curl_easy_cleanup(curl);
  return body;
}

// Name, type and labels of each metric of a scrape. `le` is the histogram's own.
std::map<std::string, std::string> Exported(const std::string& text) {
  std::map<std::string, std::string> types, out;
  std::istringstream lines(text);
  const std::regex type_line("# TYPE (\\S+) (\\S+)"), series("([a-z_]+)(\\{(.*)\\})? .*"), label("([a-z_]+)=\"");
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, type_line)) types[match[1]] = match[2];
    if (line.empty() || line[0] == '#' || !std::regex_match(line, match, series)) continue;
    std::string name = match[1];
    for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
      const size_t cut = name.size() - std::min(name.size(), suffix.size());
      if (name.substr(cut) == suffix && types.count(name.substr(0, cut)) > 0) name.resize(cut);
    }
    std::string labels;
    const std::string text_labels = match[3];
    for (std::sregex_iterator it(text_labels.begin(), text_labels.end(), label), end; it != end; ++it) {
      if ((*it)[1] != "le") absl::StrAppend(&labels, labels.empty() ? "" : ", ", (*it)[1].str());
    }
    out[name] = absl::StrCat(types[name], " | ", labels);
  }
  return out;
}

TEST(MetricsTest, DocumentationListsExactlyWhatIsExported) {
  const char* const source = std::getenv("REELSIGHT_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "REELSIGHT_SOURCE_DIR is not set";
  Metrics metrics(All());
  metrics.DeclareAnalyzer("cut_analysis");
  metrics.DeclareService("lightweight");
  metrics.DeclareModel("ssd_mobilenet_v2");
  ASSERT_TRUE(metrics.Expose("127.0.0.1:0").ok());
  const std::map<std::string, std::string> exported =
      Exported(Get(absl::StrCat("http://", metrics.exposed_address(), "/metrics")));
  EXPECT_GT(exported.size(), 30u);

  std::map<std::string, std::string> documented;
  std::ifstream file(std::string(source) + "/docs/metrics.md");
  // | `name` | type | `label`, `label` | meaning |
  const std::regex row("\\| `(\\S+)` \\| (\\w+) \\| ([^|]*)\\|.*");
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    std::string labels = std::regex_replace(match[3].str(), std::regex("`"), "");
    while (!labels.empty() && labels.back() == ' ') labels.pop_back();
    documented[match[1]] = match[2].str() + " | " + labels;
  }
  EXPECT_EQ(documented, exported);
}

TEST(MetricsTest, SeriesAreThereAtZeroFromTheStart) {
  Metrics metrics(All());
  metrics.DeclareAnalyzer("cut_analysis");
  metrics.DeclareAnalyzer("cut_analysis");
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("reelsight_requests_total{code=\"OK\",method=\"Analyze\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("reelsight_analyzer_failures_total{analyzer=\"cut_analysis\",reason=\"BAD_FRAME\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("reelsight_runs_total{code=\"UNAVAILABLE\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("reelsight_build_info{program=\"test\",version=\"1.2.3\"} 1\n"));
}

TEST(MetricsTest, LabelSetsAreClosed) {
  Metrics metrics(All());
  metrics.rpc().requests_total.Add({"Analyze", "OK"}, 2);
  metrics.rpc().requests_total.Add({"evil\n", "OK"});
  EXPECT_EQ(metrics.rpc().requests_total.Value({"Analyze", "OK"}), 2);
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("evil")));
  EXPECT_EQ(metrics.rpc().requests_total.Value({"other", "OK"}), 1);
  for (int i = 0; i < 100; ++i) metrics.DeclareAnalyzer(absl::StrCat("custom_", i));
  metrics.analyzers().frames_analyzed_total.Add({"custom_99"});
  EXPECT_EQ(metrics.analyzers().frames_analyzed_total.Value({"other"}), 1);
}

TEST(MetricsTest, PartsThatAProgramLacksAreNotExported) {
  Metrics metrics({.service = "test", .version = "1", .methods = {"Describe"}, .analyzers = true});
  metrics.orchestrator().runs_total.Add({"OK"});
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("reelsight_runs_total")));
  EXPECT_THAT(metrics.Text(), HasSubstr("reelsight_queue_length{service=\"test\"} 0"));
}

TEST(MetricsTest, ExposeNamesAnAddressItCannotHave) {
  Metrics first(All()), second(All());
  ASSERT_TRUE(first.Expose("127.0.0.1:0").ok());
  const absl::Status taken = second.Expose(first.exposed_address());
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr(first.exposed_address()));
  EXPECT_EQ(GetMetadata(second.Expose("9011"), "field"), "server.metrics_address");
}

}  // namespace
}  // namespace reelsight::telemetry
