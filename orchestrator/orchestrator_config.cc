// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/orchestrator_config.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/fanout/endpoint.h"
#include "shared/base/status.h"
#include "shared/rpc/grpc_analyzer_client.h"

namespace reelsight::orchestrator {
namespace {

constexpr int64_t kMiB = 1 << 20;

template <typename T>
absl::Status CheckRange(const std::string& field, T value, T low, T high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("is ", value, ", must be in [", low, ", ", high, "]"));
}

}  // namespace

void ApplyDefaults(config::v1::OrchestratorConfig* config) {
  const Endpoint defaults;
  for (config::v1::AnalyzerEndpoint& endpoint : *config->mutable_endpoints()) {
    if (endpoint.max_in_flight_batches() == 0) endpoint.set_max_in_flight_batches(defaults.max_in_flight_batches);
    if (endpoint.batch_timeout_seconds() == 0) {
      endpoint.set_batch_timeout_seconds(absl::ToDoubleSeconds(defaults.batch_timeout));
    }
    if (!endpoint.has_max_retries()) endpoint.set_max_retries(defaults.max_retries);
    if (endpoint.max_receive_bytes() == 0) {
      endpoint.set_max_receive_bytes(rpc::GrpcAnalyzerClient::Options().max_receive_bytes);
    }
  }
  config::v1::VideoLimits& limits = *config->mutable_limits();
  if (limits.max_source_bytes() == 0) limits.set_max_source_bytes(2048 * kMiB);
  const VideoDecoder::Limits video;
  if (limits.max_frame_pixels() == 0) limits.set_max_frame_pixels(video.max_frame_pixels);
  if (limits.max_duration_seconds() == 0) limits.set_max_duration_seconds(absl::ToDoubleSeconds(video.max_duration));
  if (limits.max_frames() == 0) limits.set_max_frames(video.max_frames);
  config::v1::UploadConfig& uploads = *config->mutable_uploads();
  if (uploads.quota_bytes() == 0) uploads.set_quota_bytes(8192 * kMiB);
  if (uploads.expiry_seconds() == 0) uploads.set_expiry_seconds(3600);
  if (uploads.idle_timeout_seconds() == 0) uploads.set_idle_timeout_seconds(60);
  if (uploads.min_bytes_per_second() == 0) uploads.set_min_bytes_per_second(1024);
  if (config->max_concurrent_runs() == 0) config->set_max_concurrent_runs(4);
  if (config->max_queued_runs() == 0) config->set_max_queued_runs(16);
  if (config->frame_budget_bytes() == 0) config->set_frame_budget_bytes(512 * kMiB);
  if (config->retention_seconds() == 0) config->set_retention_seconds(600);
  if (config->max_run_seconds() == 0) config->set_max_run_seconds(3600);
}

absl::Status CheckOrchestratorConfig(const config::v1::OrchestratorConfig& config) {
  std::set<std::string> names;
  for (int i = 0; i < config.endpoints_size(); ++i) {
    const config::v1::AnalyzerEndpoint& endpoint = config.endpoints(i);
    const std::string path = absl::StrCat("endpoints[", i, "]");
    if (endpoint.name().empty()) return InvalidField(path + ".name", "is empty");
    if (!names.insert(endpoint.name()).second) return InvalidField(path + ".name", "is there twice");
    if (endpoint.target().empty()) return InvalidField(path + ".target", "is empty; give host:port");
    RETURN_IF_ERROR(CheckRange(path + ".max_in_flight_batches", endpoint.max_in_flight_batches(), 1, 1024));
    RETURN_IF_ERROR(CheckRange(path + ".batch_timeout_seconds", endpoint.batch_timeout_seconds(), 0.001, 86400.0));
    RETURN_IF_ERROR(CheckRange(path + ".max_retries", endpoint.max_retries(), 0, 100));
    RETURN_IF_ERROR(CheckRange<int64_t>(path + ".max_receive_bytes", endpoint.max_receive_bytes(), 1 << 16, 1 << 30));
  }
  RETURN_IF_ERROR(CheckRange<int64_t>("limits.max_source_bytes", config.limits().max_source_bytes(), 1, 1LL << 50));
  RETURN_IF_ERROR(CheckRange<int64_t>("limits.max_frame_pixels", config.limits().max_frame_pixels(), 1, 1LL << 30));
  RETURN_IF_ERROR(CheckRange("limits.max_duration_seconds", config.limits().max_duration_seconds(), 0.001, 1e7));
  RETURN_IF_ERROR(CheckRange<int64_t>("limits.max_frames", config.limits().max_frames(), 1, 1LL << 40));
  RETURN_IF_ERROR(CheckRange<int64_t>("uploads.quota_bytes", config.uploads().quota_bytes(), 1, 1LL << 50));
  RETURN_IF_ERROR(CheckRange("uploads.expiry_seconds", config.uploads().expiry_seconds(), 0.001, 1e7));
  RETURN_IF_ERROR(CheckRange("uploads.idle_timeout_seconds", config.uploads().idle_timeout_seconds(), 0.001, 86400.0));
  RETURN_IF_ERROR(
      CheckRange<int64_t>("uploads.min_bytes_per_second", config.uploads().min_bytes_per_second(), 1, 1LL << 30));
  RETURN_IF_ERROR(CheckRange("max_concurrent_runs", config.max_concurrent_runs(), 1, 1024));
  RETURN_IF_ERROR(CheckRange("max_queued_runs", config.max_queued_runs(), 1, 1 << 20));
  RETURN_IF_ERROR(CheckRange<int64_t>("frame_budget_bytes", config.frame_budget_bytes(), kMiB, 1LL << 50));
  RETURN_IF_ERROR(CheckRange("decode_threads", config.decode_threads(), 0, 256));
  RETURN_IF_ERROR(CheckRange("retention_seconds", config.retention_seconds(), 0.001, 1e7));
  return CheckRange("max_run_seconds", config.max_run_seconds(), 0.001, 1e7);
}

}  // namespace reelsight::orchestrator
