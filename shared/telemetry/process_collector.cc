// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/process_collector.h"

#include <dirent.h>
#include <sys/resource.h>

#include "prometheus/metric_family.h"
#include "shared/telemetry/resident_memory.h"

namespace reelsight::telemetry {
namespace {

prometheus::MetricFamily Family(const char* name, const char* help, prometheus::MetricType type, double value) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  family.metric.resize(1);
  if (type == prometheus::MetricType::Counter) {
    family.metric[0].counter.value = value;
  } else {
    family.metric[0].gauge.value = value;
  }
  return family;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return time.tv_sec + time.tv_usec * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Entries of a /proc folder.
double CountEntries(const char* folder) {
  DIR* const dir = opendir(folder);
  if (dir == nullptr) return 0;
  int count = 0;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count - 2;
}

}  // namespace

std::vector<prometheus::MetricFamily> Metrics::ProcessCollector::Collect() const {
  using prometheus::MetricType;
  return {Family("reelsight_process_resident_memory_bytes", "Resident memory of the process.", MetricType::Gauge,
                 static_cast<double>(ResidentBytes())),
          Family("reelsight_process_cpu_seconds_total", "Processor time of the process.", MetricType::Counter,
                 CpuSeconds()),
          Family("reelsight_process_open_files", "Open file descriptors of the process.", MetricType::Gauge,
                 CountEntries("/proc/self/fd")),
          Family("reelsight_process_threads", "Threads of the process.", MetricType::Gauge,
                 CountEntries("/proc/self/task"))};
}

}  // namespace reelsight::telemetry
