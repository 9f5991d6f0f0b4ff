// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/metrics.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "prometheus/text_serializer.h"
#include "shared/base/host_port.h"
#include "shared/base/listener.h"
#include "shared/base/status.h"
#include "shared/telemetry/metrics_server.h"
#include "shared/telemetry/process_collector.h"

namespace reelsight::telemetry {
namespace {

// From 1 ms, steps of about two, to 10 minutes.
const std::vector<double>& SecondsBounds() {
  static const std::vector<double>& bounds = *new std::vector<double>{
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
  return bounds;
}

std::vector<std::string> Codes() {
  std::vector<std::string> codes;
  for (int code = 0; code <= 16; ++code) codes.emplace_back(CodeLabel(static_cast<absl::StatusCode>(code)));
  return codes;
}

std::vector<std::string> Reasons() {
  std::vector<std::string> reasons = {"NONE"};
  for (int reason = 1; reason <= static_cast<int>(Reason::kInternal); ++reason) {
    reasons.emplace_back(ReasonName(static_cast<Reason>(reason)));
  }
  return reasons;
}

std::unique_ptr<RpcMetrics> MakeRpc(MetricsRegistry& registry, const std::vector<std::string>& methods) {
  const Label method{"method", methods};
  auto rpc = std::make_unique<RpcMetrics>();
  rpc->requests_total =
      registry.MakeCounter("reelsight_requests_total", "gRPC calls answered.", {method, {"code", Codes()}});
  rpc->requests_in_flight = registry.MakeGauge("reelsight_requests_in_flight", "gRPC calls under way.", {method});
  rpc->request_duration_seconds =
      registry.MakeHistogram("reelsight_request_duration_seconds", "Time from a gRPC call's arrival to its answer.",
                             {method}, SecondsBounds());
  rpc->connections = registry.MakeGauge("reelsight_connections", "Open connections to the gRPC port.", {});
  rpc->connections_refused_total = registry.MakeCounter(
      "reelsight_connections_refused_total", "Connections to the gRPC port closed at once, for want of room.", {});
  return rpc;
}

std::unique_ptr<AnalyzerMetrics> MakeAnalyzers(MetricsRegistry& registry, const std::string& service_name) {
  const Label service{"service", {service_name}};
  const Label analyzer{"analyzer", {}};
  auto out = std::make_unique<AnalyzerMetrics>();
  out->queue_duration_seconds = registry.MakeHistogram(
      "reelsight_queue_duration_seconds", "Time from a batch's arrival to its start.", {service}, SecondsBounds());
  out->queue_length = registry.MakeGauge("reelsight_queue_length", "Batches and summaries that wait.", {service});
  out->workers_busy = registry.MakeGauge("reelsight_workers_busy", "Worker threads at work.", {service});
  out->workers = registry.MakeGauge("reelsight_workers", "Worker threads.", {service});
  out->batch_frames = registry.MakeHistogram("reelsight_batch_frames", "Frames of a batch, context included.",
                                             {service}, {1, 2, 4, 8, 16, 32, 64, 128, 256});
  out->received_bytes_total =
      registry.MakeCounter("reelsight_received_bytes_total", "Pixels received over the network, in bytes.", {service});
  out->frames_analyzed_total =
      registry.MakeCounter("reelsight_frames_analyzed_total", "Frames analyzed, context not counted.", {analyzer});
  out->analyze_duration_seconds = registry.MakeHistogram(
      "reelsight_analyze_duration_seconds", "Time an analyzer works on one batch.", {analyzer}, SecondsBounds());
  out->summarize_duration_seconds =
      registry.MakeHistogram("reelsight_summarize_duration_seconds", "Time an analyzer takes to sum up one video.",
                             {analyzer}, SecondsBounds());
  out->analyzer_failures_total =
      registry.MakeCounter("reelsight_analyzer_failures_total", "Batches and summaries that an analyzer failed.",
                           {analyzer, {"reason", Reasons()}});
  out->analyzer_available =
      registry.MakeGauge("reelsight_analyzer_available", "1 if the analyzer can be used, else 0.", {analyzer});
  return out;
}

std::unique_ptr<ModelMetrics> MakeModels(MetricsRegistry& registry) {
  const Label model{"model", {}};
  const Label code{"code", Codes()};
  auto out = std::make_unique<ModelMetrics>();
  out->cache_hits_total =
      registry.MakeCounter("reelsight_model_cache_hits_total", "Uses of a model that was loaded.", {model});
  out->cache_misses_total =
      registry.MakeCounter("reelsight_model_cache_misses_total", "Uses of a model that had to load it.", {model});
  out->loads_total =
      registry.MakeCounter("reelsight_model_loads_total", "Loads of a model, by outcome.", {model, code});
  out->load_duration_seconds = registry.MakeHistogram("reelsight_model_load_duration_seconds", "Time to load a model.",
                                                      {model}, SecondsBounds());
  out->evictions_total =
      registry.MakeCounter("reelsight_model_evictions_total",
                           "Models taken out of memory to make room, or because nobody used them.", {model});
  out->age_at_eviction_seconds =
      registry.MakeHistogram("reelsight_model_age_at_eviction_seconds",
                             "Time since the last use of a model when it was evicted.", {model}, SecondsBounds());
  out->cache_used_bytes =
      registry.MakeGauge("reelsight_model_cache_used_bytes", "Memory that loaded models are charged for.", {});
  out->cache_budget_bytes =
      registry.MakeGauge("reelsight_model_cache_budget_bytes", "Most memory that loaded models may take.", {});
  out->loaded = registry.MakeGauge("reelsight_model_loaded", "1 if the model is loaded, else 0.", {model});
  out->on_cpu_beside_gpu =
      registry.MakeGauge("reelsight_model_on_cpu_beside_gpu",
                         "1 if the model runs on the CPU although the service has a GPU, else 0.", {model});
  out->batch_size = registry.MakeHistogram("reelsight_model_batch_size", "Samples that ran together.", {model},
                                           {1, 2, 4, 8, 16, 32, 64, 128});
  out->batch_limit =
      registry.MakeGauge("reelsight_model_batch_limit", "Most samples that run together, as learnt.", {model});
  out->queue_length = registry.MakeGauge("reelsight_model_queue_length", "Samples that wait.", {model});
  out->sample_wait_seconds =
      registry.MakeHistogram("reelsight_model_sample_wait_seconds",
                             "Time from a sample's arrival to the start of its batch.", {model}, SecondsBounds());
  out->run_duration_seconds = registry.MakeHistogram("reelsight_model_run_duration_seconds",
                                                     "Time of one batch in the engine.", {model}, SecondsBounds());
  out->out_of_memory_total =
      registry.MakeCounter("reelsight_model_out_of_memory_total", "Batches halved because memory ran out.", {model});
  out->invalid_outputs_total = registry.MakeCounter(
      "reelsight_model_invalid_outputs_total", "Runs refused because of a NaN or an infinity in the outputs.", {model});
  return out;
}

std::unique_ptr<OrchestratorMetrics> MakeOrchestrator(MetricsRegistry& registry) {
  const Label service{"service", {}};
  const Label analyzer{"analyzer", {}};
  const Label code{"code", Codes()};
  const auto seconds = [&](const char* name, const char* help, std::vector<Label> labels) {
    return registry.MakeHistogram(name, help, std::move(labels), SecondsBounds());
  };
  auto out = std::make_unique<OrchestratorMetrics>();
  out->runs_total = registry.MakeCounter("reelsight_runs_total", "Runs that ended.", {code});
  out->runs_in_flight = registry.MakeGauge("reelsight_runs_in_flight", "Runs under way.", {});
  out->runs_queued = registry.MakeGauge("reelsight_runs_queued", "Runs that wait for their start.", {});
  out->run_duration_seconds =
      seconds("reelsight_run_duration_seconds", "Time from a run's admission to its answer.", {});
  out->run_queue_duration_seconds =
      seconds("reelsight_run_queue_duration_seconds", "Time from a run's admission to its start.", {});
  out->open_duration_seconds =
      seconds("reelsight_open_duration_seconds", "Time to open a source up to its stream's header.", {});
  out->decode_duration_seconds =
      seconds("reelsight_decode_duration_seconds", "Time spent decoding one video, waiting not counted.", {});
  out->convert_duration_seconds =
      seconds("reelsight_convert_duration_seconds", "Time spent converting the frames of one video.", {});
  out->wait_duration_seconds =
      seconds("reelsight_wait_duration_seconds", "Time the decoder of one video waited for room.", {});
  out->frames_decoded_total = registry.MakeCounter("reelsight_frames_decoded_total", "Frames decoded.", {});
  out->source_bytes_total = registry.MakeCounter("reelsight_source_bytes_total", "Bytes read from sources.", {});
  out->video_seconds_total =
      registry.MakeCounter("reelsight_video_seconds_total", "Playing time of analyzed videos, in seconds.", {});
  out->frame_pool_used_bytes =
      registry.MakeGauge("reelsight_frame_pool_used_bytes", "Memory of frames on their way.", {});
  out->frame_pool_budget_bytes =
      registry.MakeGauge("reelsight_frame_pool_budget_bytes", "Most memory that frames may take.", {});
  out->batch_duration_seconds = seconds("reelsight_batch_duration_seconds",
                                        "Time of one attempt at a batch, from sending to the answer.", {service});
  out->batches_in_flight = registry.MakeGauge("reelsight_batches_in_flight", "Batches under way.", {service});
  out->batch_attempts_total =
      registry.MakeCounter("reelsight_batch_attempts_total", "Attempts at a batch.", {service, code});
  out->batch_retries_total =
      registry.MakeCounter("reelsight_batch_retries_total", "Batches sent again.", {service, {"reason", Reasons()}});
  out->sent_bytes_total =
      registry.MakeCounter("reelsight_sent_bytes_total", "Pixels sent over the network, in bytes.", {service});
  out->service_available = registry.MakeGauge(
      "reelsight_service_available", "1 if the analyzer service described itself last time, else 0.", {service});
  out->analyzer_results_total =
      registry.MakeCounter("reelsight_analyzer_results_total", "Results of analyzers by status.", {analyzer, code});
  out->analyzer_result_duration_seconds = seconds("reelsight_analyzer_result_duration_seconds",
                                                  "Time from a run's start to an analyzer's result.", {analyzer});
  return out;
}

}  // namespace

Metrics::Metrics(Options options) : options_(std::move(options)) {
  rpc_ = MakeRpc(options_.methods.empty() ? unexported_ : registry_, options_.methods);
  analyzers_ = MakeAnalyzers(options_.analyzers ? registry_ : unexported_, options_.service);
  models_ = MakeModels(options_.models ? registry_ : unexported_);
  orchestrator_ = MakeOrchestrator(options_.orchestrator ? registry_ : unexported_);
  GaugeSet build = registry_.MakeGauge("reelsight_build_info", "1; the labels tell the program and its version.",
                                       {{"program", {options_.service}}, {"version", {options_.version}}});
  build.Set({options_.service, options_.version}, 1);
  process_ = std::make_shared<ProcessCollector>();
}

Metrics::~Metrics() = default;

void Metrics::DeclareAnalyzer(const std::string& name) { registry_.Declare("analyzer", name); }
void Metrics::DeclareService(const std::string& name) { registry_.Declare("service", name); }
void Metrics::DeclareModel(const std::string& name) { registry_.Declare("model", name); }

std::string Metrics::Text() const {
  return registry_.Text() + prometheus::TextSerializer().Serialize(process_->Collect());
}

absl::Status Metrics::Expose(const std::string& address) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Open(address);
  if (absl::IsInvalidArgument(listener.status())) {
    return InvalidField("server.metrics_address", std::string(listener.status().message()));
  }
  if (!listener.ok()) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, " (", listener.status().message(),
                                               "): stop what listens there, or set another metrics_address"));
  }
  exposed_address_ = ToString((*listener)->address());
  server_ = std::make_unique<MetricsServer>(*std::move(listener), MetricsServer::Options(), [this] { return Text(); });
  return absl::OkStatus();
}

std::string_view CodeLabel(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "OK";
    case absl::StatusCode::kCancelled:
      return "CANCELLED";
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case absl::StatusCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case absl::StatusCode::kNotFound:
      return "NOT_FOUND";
    case absl::StatusCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case absl::StatusCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case absl::StatusCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case absl::StatusCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case absl::StatusCode::kAborted:
      return "ABORTED";
    case absl::StatusCode::kOutOfRange:
      return "OUT_OF_RANGE";
    case absl::StatusCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case absl::StatusCode::kInternal:
      return "INTERNAL";
    case absl::StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case absl::StatusCode::kDataLoss:
      return "DATA_LOSS";
    case absl::StatusCode::kUnauthenticated:
      return "UNAUTHENTICATED";
    default:
      return "UNKNOWN";
  }
}

std::string ReasonLabel(const absl::Status& status) {
  std::string reason = GetReason(status);
  return reason.empty() ? "NONE" : reason;
}

}  // namespace reelsight::telemetry
