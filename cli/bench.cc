// SPDX-License-Identifier: Apache-2.0
#include "cli/bench.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/document.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/quantile.h"

namespace reelsight::cli {
namespace {

using analysis::FromProto;
using TimeOf = std::function<absl::Duration(const BenchRun&)>;

struct Row {
  std::string name;
  TimeOf time;
};

// The runs' times that are worth a row: the whole, the stages, the analyzers.
std::vector<Row> Rows(const BenchReport& report) {
  std::vector<Row> rows = {{"whole", [](const BenchRun& run) { return run.elapsed; }},
                           {"processor time", [](const BenchRun& run) { return run.cpu; }}};
  for (const auto& stage : report.first.response.stats().stages()) {
    rows.push_back({absl::StrCat("stage ", stage.name()), [name = stage.name()](const BenchRun& run) {
                      for (const auto& one : run.response.stats().stages()) {
                        if (one.name() == name) return FromProto(one.time());
                      }
                      return absl::ZeroDuration();
                    }});
  }
  for (const auto& result : report.first.response.results()) {
    rows.push_back({result.analyzer(), [name = result.analyzer()](const BenchRun& run) {
                      for (const auto& one : run.response.results()) {
                        if (one.analyzer() == name) {
                          return FromProto(one.timing().batch_time()) + FromProto(one.timing().summarize_time());
                        }
                      }
                      return absl::ZeroDuration();
                    }});
  }
  return rows;
}

std::vector<absl::Duration> Times(const std::vector<BenchRun>& runs, const TimeOf& time) {
  std::vector<absl::Duration> times;
  for (const BenchRun& run : runs) times.push_back(time(run));
  std::sort(times.begin(), times.end());
  return times;
}

double Ratio(absl::Duration a, absl::Duration b) { return b > absl::ZeroDuration() ? absl::FDivDuration(a, b) : 0.0; }

// Processors kept busy, on average.
double BusyProcessors(const BenchRun& run) { return Ratio(run.cpu, run.elapsed); }

const BenchRun& MedianRun(const BenchReport& report) {
  if (report.warm.empty()) return report.first;
  std::vector<const BenchRun*> order;
  for (const BenchRun& run : report.warm) order.push_back(&run);
  return *Median(order, [](const BenchRun* a, const BenchRun* b) { return a->elapsed < b->elapsed; });
}

}  // namespace

std::string BenchTable(const BenchReport& report, const Terminal& terminal) {
  const v1::VideoInfo& video = report.first.response.video();
  const absl::Duration duration = FromProto(video.duration());
  Table table({{""},
               {"first", Table::Align::kRight},
               {"warm median", Table::Align::kRight},
               {"warm spread", Table::Align::kRight}});
  for (const Row& row : Rows(report)) {
    const auto warm = Times(report.warm, row.time);
    table.AddRow({row.name, FormatLength(row.time(report.first)), warm.empty() ? "" : FormatLength(Median(warm)),
                  warm.empty() ? "" : absl::StrCat(FormatLength(warm.front()), " to ", FormatLength(warm.back()))});
  }
  const BenchRun& middle = MedianRun(report);
  const auto add = [&](const std::string& name, const std::function<std::string(const BenchRun&)>& text) {
    table.AddRow({name, text(report.first), report.warm.empty() ? "" : text(middle)});
  };
  add("times real time", [&](const BenchRun& run) { return absl::StrFormat("%.1f", Ratio(duration, run.elapsed)); });
  add("frames a second", [](const BenchRun& run) {
    return absl::StrFormat("%.0f", static_cast<double>(run.response.stats().frames_decoded()) /
                                       std::max(1e-9, absl::ToDoubleSeconds(run.elapsed)));
  });
  add("processors busy",
      [&](const BenchRun& run) { return absl::StrFormat("%.2f of %d", BusyProcessors(run), report.processors); });
  // No analyzer of this program runs on a GPU yet.
  add("GPU", [&](const BenchRun&) { return report.gpu.empty() ? "none" : "not used"; });
  add("model cache hits", [](const BenchRun& run) {
    return absl::StrCat(run.response.stats().cache_hits(), " of ",
                        run.response.stats().cache_hits() + run.response.stats().cache_misses());
  });
  add("conversions shared", [](const BenchRun& run) { return FormatCount(run.response.stats().shared_conversions()); });
  return absl::StrCat(Bold(terminal, Printable(report.clip)), "  ", video.codec(), ", ", video.width_px(), "x",
                      video.height_px(), ", ", FormatLength(duration), ", ",
                      FormatCount(report.first.response.stats().frames_decoded()), " frames; ", report.warm.size(),
                      " warm runs, most memory ", FormatBytes(report.peak_rss_bytes), "\n", table.Render(terminal, 0));
}

std::string BenchJson(const BenchReport& report) {
  const double duration = absl::ToDoubleSeconds(FromProto(report.first.response.video().duration()));
  std::vector<std::string> rows;
  for (const Row& row : Rows(report)) {
    const absl::Duration median = report.warm.empty() ? absl::ZeroDuration() : Median(Times(report.warm, row.time));
    std::vector<std::string> warm;
    for (const BenchRun& run : report.warm) {
      warm.push_back(absl::StrFormat("%.6f", absl::ToDoubleSeconds(row.time(run))));
    }
    rows.push_back(absl::StrCat("{\"name\":", JsonString(row.name),
                                ",\"first\":", absl::StrFormat("%.6f", absl::ToDoubleSeconds(row.time(report.first))),
                                ",\"warmMedian\":", absl::StrFormat("%.6f", absl::ToDoubleSeconds(median)),
                                ",\"warm\":[", absl::StrJoin(warm, ","), "]}"));
  }
  const BenchRun& middle = MedianRun(report);
  return absl::StrFormat(
      "{\"clip\":%s,\"durationSeconds\":%.6f,\"framesDecoded\":%d,\"processors\":%d,\"peakRssBytes\":%d,"
      "\"realtimeFactorFirst\":%.3f,\"realtimeFactorWarm\":%.3f,\"busyProcessorsWarm\":%.3f,\"gpu\":%s,\"cacheHits\":%"
      "d,"
      "\"cacheMisses\":%d,\"times\":[%s]}\n",
      JsonString(report.clip), duration, report.first.response.stats().frames_decoded(), report.processors,
      report.peak_rss_bytes, Ratio(absl::Seconds(duration), report.first.elapsed),
      Ratio(absl::Seconds(duration), middle.elapsed), BusyProcessors(middle), JsonString(report.gpu),
      middle.response.stats().cache_hits(), middle.response.stats().cache_misses(), absl::StrJoin(rows, ","));
}

}  // namespace reelsight::cli
