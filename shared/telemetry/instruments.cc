// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/instruments.h"

#include <algorithm>
#include <functional>
#include <map>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "shared/base/mutex.h"

namespace reelsight::telemetry {
namespace {

constexpr size_t kMaxDeclared = 64;
constexpr char kOther[] = "other";

// One metric of type T with its series by label values.
template <typename T>
class Series {
 public:
  using AddSeries = std::function<T*(const prometheus::Labels&)>;

  Series(std::shared_ptr<prometheus::Registry> registry, std::vector<Label> labels, AddSeries add)
      : registry_(std::move(registry)), add_(std::move(add)), labels_(std::move(labels)) {
    MutexLock lock(mutex_);
    Fill();
  }

  T& Get(std::initializer_list<std::string_view> values) {
    MutexLock lock(mutex_);
    std::vector<std::string> key;
    key.reserve(labels_.size());
    auto value = values.begin();
    for (const Label& label : labels_) {
      const bool known =
          value != values.end() && std::find(label.values.begin(), label.values.end(), *value) != label.values.end();
      key.emplace_back(known ? *value : kOther);
      if (value != values.end()) ++value;
    }
    return Make(key);
  }

  void Declare(const std::string& name, const std::string& value) {
    MutexLock lock(mutex_);
    for (Label& label : labels_) {
      if (label.name != name || std::find(label.values.begin(), label.values.end(), value) != label.values.end()) {
        continue;
      }
      label.values.push_back(value);
      Fill();
    }
  }

 private:
  T& Make(const std::vector<std::string>& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    T*& series = series_[key];
    if (series == nullptr) {
      prometheus::Labels labels;
      for (size_t i = 0; i < key.size(); ++i) labels[labels_[i].name] = key[i];
      series = add_(labels);
    }
    return *series;
  }

  // Makes the series of all combinations.
  void Fill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<std::vector<std::string>> keys = {{}};
    for (const Label& label : labels_) {
      std::vector<std::vector<std::string>> longer;
      for (const std::vector<std::string>& key : keys) {
        for (const std::string& value : label.values) {
          longer.push_back(key);
          longer.back().push_back(value);
        }
      }
      keys = std::move(longer);
    }
    for (const std::vector<std::string>& key : keys) Make(key);
  }

  const std::shared_ptr<prometheus::Registry> registry_;
  const AddSeries add_;
  Mutex mutex_;
  std::vector<Label> labels_ ABSL_GUARDED_BY(mutex_);
  std::map<std::vector<std::string>, T*> series_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct CounterSet::Impl : Series<prometheus::Counter> {
  using Series::Series;
};
struct GaugeSet::Impl : Series<prometheus::Gauge> {
  using Series::Series;
};
struct HistogramSet::Impl : Series<prometheus::Histogram> {
  using Series::Series;
};

void CounterSet::Add(std::initializer_list<std::string_view> labels, double amount) {
  impl_->Get(labels).Increment(amount);
}
double CounterSet::Value(std::initializer_list<std::string_view> labels) const { return impl_->Get(labels).Value(); }

void GaugeSet::Set(std::initializer_list<std::string_view> labels, double value) { impl_->Get(labels).Set(value); }
void GaugeSet::Add(std::initializer_list<std::string_view> labels, double amount) {
  impl_->Get(labels).Increment(amount);
}
double GaugeSet::Value(std::initializer_list<std::string_view> labels) const { return impl_->Get(labels).Value(); }

void HistogramSet::Observe(std::initializer_list<std::string_view> labels, double value) {
  impl_->Get(labels).Observe(value);
}
int64_t HistogramSet::Count(std::initializer_list<std::string_view> labels) const {
  return static_cast<int64_t>(impl_->Get(labels).Collect().histogram.sample_count);
}

struct MetricsRegistry::Impl {
  const std::shared_ptr<prometheus::Registry> registry =
      std::make_shared<prometheus::Registry>(prometheus::Registry::InsertBehavior::Throw);
  Mutex mutex;
  std::vector<std::function<void(const std::string&, const std::string&)>> declare ABSL_GUARDED_BY(mutex);
  std::map<std::string, std::vector<std::string>> declared ABSL_GUARDED_BY(mutex);

  // Makes the set's implementation and remembers it for Declare.
  template <typename SetImpl, typename AddSeries>
  std::shared_ptr<SetImpl> Make(std::vector<Label> labels, AddSeries add) {
    MutexLock lock(mutex);
    for (Label& label : labels) {
      for (const std::string& value : declared[label.name]) {
        if (std::find(label.values.begin(), label.values.end(), value) == label.values.end()) {
          label.values.push_back(value);
        }
      }
    }
    auto impl = std::make_shared<SetImpl>(registry, std::move(labels), std::move(add));
    declare.push_back([impl](const std::string& name, const std::string& value) { impl->Declare(name, value); });
    return impl;
  }
};

MetricsRegistry::MetricsRegistry() : impl_(std::make_unique<Impl>()) {}
MetricsRegistry::~MetricsRegistry() = default;

CounterSet MetricsRegistry::MakeCounter(const std::string& name, const std::string& help, std::vector<Label> labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(*impl_->registry);
  CounterSet set;
  set.impl_ = impl_->Make<CounterSet::Impl>(std::move(labels), [&family](const auto& l) { return &family.Add(l); });
  return set;
}

GaugeSet MetricsRegistry::MakeGauge(const std::string& name, const std::string& help, std::vector<Label> labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(*impl_->registry);
  GaugeSet set;
  set.impl_ = impl_->Make<GaugeSet::Impl>(std::move(labels), [&family](const auto& l) { return &family.Add(l); });
  return set;
}

HistogramSet MetricsRegistry::MakeHistogram(const std::string& name, const std::string& help, std::vector<Label> labels,
                                            std::vector<double> bounds) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(*impl_->registry);
  HistogramSet set;
  set.impl_ = impl_->Make<HistogramSet::Impl>(
      std::move(labels), [&family, bounds = std::move(bounds)](const auto& l) { return &family.Add(l, bounds); });
  return set;
}

void MetricsRegistry::Declare(const std::string& label, const std::string& value) {
  MutexLock lock(impl_->mutex);
  std::vector<std::string>& values = impl_->declared[label];
  if (values.size() >= kMaxDeclared || std::find(values.begin(), values.end(), value) != values.end()) return;
  values.push_back(value);
  for (const auto& declare : impl_->declare) declare(label, value);
}

std::string MetricsRegistry::Text() const { return prometheus::TextSerializer().Serialize(impl_->registry->Collect()); }

}  // namespace reelsight::telemetry
