// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/metrics_exposer.h"

#include <dirent.h>
#include <sys/resource.h>

#include <exception>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "shared/base/status.h"
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

std::string Metrics::Text() const {
  return registry_.Text() + prometheus::TextSerializer().Serialize(process_->Collect());
}

absl::Status Metrics::Expose(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return InvalidField("server.metrics_address", absl::StrCat("'", address, "' is not host:port"));
  }
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  // The library tells failures by exceptions.
  try {
    exposer_ = std::make_unique<Exposer>(absl::StrCat(host, ":", port));
    exposer_->exposer.RegisterCollectable(registry_.registry());
    exposer_->exposer.RegisterCollectable(process_);
    exposed_address_ = absl::StrCat(host, ":", exposer_->exposer.GetListeningPorts().at(0));
  } catch (const std::exception& error) {
    exposer_.reset();
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, " (", error.what(),
                                               "): stop what listens there, or set another metrics_address"));
  }
  return absl::OkStatus();
}

}  // namespace reelsight::telemetry
