// SPDX-License-Identifier: Apache-2.0
//
// Every metric of every program, by name. docs/metrics.md lists them for people; a test holds the two together.
//
// Names: prefix `reelsight_`, base units (`_seconds`, `_bytes`), counters end in `_total`. Labels are closed sets;
// never the id of a video, a run or a process.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "shared/telemetry/instruments.h"

namespace reelsight::telemetry {

class MetricsServer;

// Calls that a gRPC server answers, and its connections. Labels: `method`, short name of the RPC; `code`, canonical,
// `OK` and so on.
struct RpcMetrics {
  CounterSet requests_total;              // {method, code}
  GaugeSet requests_in_flight;            // {method}
  HistogramSet request_duration_seconds;  // {method}
  GaugeSet connections;                   // {}
  CounterSet connections_refused_total;   // {}: closed at once, for want of room.
};

// Work of an analyzer service, also inside the embedded program. Label `reason`: see Reason; `NONE` without one.
struct AnalyzerMetrics {
  HistogramSet queue_duration_seconds;      // {service}: from a batch's arrival to its start.
  GaugeSet queue_length;                    // {service}: batches and summaries that wait.
  GaugeSet workers_busy;                    // {service}
  GaugeSet workers;                         // {service}
  HistogramSet batch_frames;                // {service}: frames a batch brings, context included.
  CounterSet received_bytes_total;          // {service}: pixels received.
  CounterSet frames_analyzed_total;         // {analyzer}: targets, context not counted.
  HistogramSet analyze_duration_seconds;    // {analyzer}: one batch.
  HistogramSet summarize_duration_seconds;  // {analyzer}
  CounterSet analyzer_failures_total;       // {analyzer, reason}
  GaugeSet analyzer_available;              // {analyzer}: 1 or 0.
};

// Models of an analyzer service, also inside the embedded program. Label `model`: name in the catalogue.
struct ModelMetrics {
  CounterSet cache_hits_total;           // {model}: uses of a model that was loaded.
  CounterSet cache_misses_total;         // {model}: uses that had to load it.
  CounterSet loads_total;                // {model, code}
  HistogramSet load_duration_seconds;    // {model}
  CounterSet evictions_total;            // {model}
  HistogramSet age_at_eviction_seconds;  // {model}: since its last use; young ones mean that the budget is too small.
  GaugeSet cache_used_bytes;             // {}
  GaugeSet cache_budget_bytes;           // {}
  GaugeSet loaded;                       // {model}: 1 or 0.
  GaugeSet on_cpu_beside_gpu;            // {model}: 1 if it runs on the CPU although the slice is a GPU.
  HistogramSet batch_size;               // {model}: samples that ran together.
  GaugeSet batch_limit;                  // {model}: most samples that run together, as learnt.
  GaugeSet queue_length;                 // {model}: samples that wait.
  HistogramSet sample_wait_seconds;      // {model}: from a sample's arrival to the start of its batch.
  HistogramSet run_duration_seconds;     // {model}: one batch in the engine.
  CounterSet out_of_memory_total;        // {model}: batches halved because memory ran out.
  CounterSet invalid_outputs_total;      // {model}: runs refused because of a NaN or an infinity.
};

// Runs of the orchestrator. Label `service` is the configured endpoint's name.
struct OrchestratorMetrics {
  CounterSet runs_total;                          // {code}
  GaugeSet runs_in_flight;                        // {}
  GaugeSet runs_queued;                           // {}
  HistogramSet run_duration_seconds;              // {}: from admission to answer.
  HistogramSet run_queue_duration_seconds;        // {}: from admission to start.
  HistogramSet open_duration_seconds;             // {}: opening a source up to its stream's header.
  HistogramSet decode_duration_seconds;           // {}: decoding of one video, waiting not counted.
  HistogramSet convert_duration_seconds;          // {}: conversions of one video.
  HistogramSet wait_duration_seconds;             // {}: the decoder's wait for room, of one video.
  CounterSet frames_decoded_total;                // {}
  CounterSet source_bytes_total;                  // {}
  CounterSet video_seconds_total;                 // {}: playing time of analysed videos.
  GaugeSet frame_pool_used_bytes;                 // {}
  GaugeSet frame_pool_budget_bytes;               // {}
  HistogramSet batch_duration_seconds;            // {service}: one attempt, from sending to the answer.
  GaugeSet batches_in_flight;                     // {service}
  CounterSet batch_attempts_total;                // {service, code}
  CounterSet batch_retries_total;                 // {service, reason}
  CounterSet sent_bytes_total;                    // {service}: pixels sent over a network.
  GaugeSet service_available;                     // {service}: 1 or 0, as it last described itself.
  CounterSet analyzer_results_total;              // {analyzer, code}
  HistogramSet analyzer_result_duration_seconds;  // {analyzer}: from a run's start to the analyzer's result.
};

// Thread-safe; so are its parts.
class Metrics {
 public:
  // What the program is.
  struct Options {
    // Value of the `service` label of its own work, for instance `lightweight`.
    std::string service;
    std::string version;
    // Short names of the RPCs it answers.
    std::vector<std::string> methods;
    // Which groups it has; series of the others are not exported.
    bool analyzers = false;
    bool models = false;
    bool orchestrator = false;
  };

  explicit Metrics(Options options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  const std::string& service() const { return options_.service; }
  const std::vector<std::string>& methods() const { return options_.methods; }
  RpcMetrics& rpc() { return *rpc_; }
  // Usable always; without its option nothing of it is exported.
  AnalyzerMetrics& analyzers() { return *analyzers_; }
  ModelMetrics& models() { return *models_; }
  OrchestratorMetrics& orchestrator() { return *orchestrator_; }

  // Makes the series of an analyzer, of a service or of a model before its first event. Doing it again does nothing.
  void DeclareAnalyzer(const std::string& name);
  void DeclareService(const std::string& name);
  void DeclareModel(const std::string& name);

  // All series in Prometheus' text format, the process's own (memory, processor time, open files) included.
  std::string Text() const;
  // Serves Text over HTTP at `/metrics` until destroyed. `address`: `host:port`, port 0 takes a free one.
  // INVALID_ARGUMENT or UNAVAILABLE if it cannot listen there.
  absl::Status Expose(const std::string& address);
  // Where Expose listens, `host:port`; empty if it does not.
  const std::string& exposed_address() const { return exposed_address_; }

 private:
  class ProcessCollector;

  const Options options_;
  MetricsRegistry registry_;
  MetricsRegistry unexported_;
  std::unique_ptr<RpcMetrics> rpc_;
  std::unique_ptr<AnalyzerMetrics> analyzers_;
  std::unique_ptr<ModelMetrics> models_;
  std::unique_ptr<OrchestratorMetrics> orchestrator_;
  std::shared_ptr<ProcessCollector> process_;
  std::string exposed_address_;
  // Last, so that nobody asks for the text of what is gone.
  std::unique_ptr<MetricsServer> server_;
};

// `OK`, `CANCELLED`, ... for a status: the `code` label.
std::string_view CodeLabel(absl::StatusCode code);
// The `reason` label of a status: its reason, or `NONE`.
std::string ReasonLabel(const absl::Status& status);

}  // namespace reelsight::telemetry
