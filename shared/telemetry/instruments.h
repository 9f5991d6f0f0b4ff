// SPDX-License-Identifier: Apache-2.0
//
// Counters, gauges and histograms with closed label sets. What they count is named in metrics.h. This header keeps the
// metrics library out of the code that counts.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace reelsight::telemetry {

// A label and the values it may have. A value outside the set counts as `other`, so a peer cannot make series without
// end. Sets grow only by MetricsRegistry::Declare.
struct Label {
  std::string name;
  std::vector<std::string> values;
};

// One metric's series, one for each combination of label values, all there at zero from the start. Thread-safe; an
// update takes one uncontended lock. Label values come in the order of the metric's labels.
class CounterSet {
 public:
  // `amount` >= 0.
  void Add(std::initializer_list<std::string_view> labels, double amount = 1);
  // The value, for tests and reports.
  double Value(std::initializer_list<std::string_view> labels) const;

 private:
  friend class MetricsRegistry;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// See CounterSet.
class GaugeSet {
 public:
  void Set(std::initializer_list<std::string_view> labels, double value);
  void Add(std::initializer_list<std::string_view> labels, double amount);
  double Value(std::initializer_list<std::string_view> labels) const;

 private:
  friend class MetricsRegistry;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// See CounterSet.
class HistogramSet {
 public:
  void Observe(std::initializer_list<std::string_view> labels, double value);
  // How many values were observed.
  int64_t Count(std::initializer_list<std::string_view> labels) const;

 private:
  friend class MetricsRegistry;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// All metrics of a process. Thread-safe. Instruments may outlive it.
class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // Makes a metric. REQUIRES: `name` is new.
  CounterSet MakeCounter(const std::string& name, const std::string& help, std::vector<Label> labels);
  GaugeSet MakeGauge(const std::string& name, const std::string& help, std::vector<Label> labels);
  // `bounds`: upper bounds of the buckets, ascending.
  HistogramSet MakeHistogram(const std::string& name, const std::string& help, std::vector<Label> labels,
                             std::vector<double> bounds);

  // Adds `value` to the label's set in all metrics that have the label, present and future, and makes their series.
  // A label takes at most 64 declared values; more count as `other`.
  void Declare(const std::string& label, const std::string& value);

  // All series in Prometheus' text format.
  std::string Text() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace reelsight::telemetry
