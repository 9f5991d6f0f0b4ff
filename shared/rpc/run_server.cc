// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/run_server.h"

#include <optional>
#include <utility>

#include "shared/base/status.h"
#include "shared/process/memory_trimmer.h"
#include "shared/process/signals.h"
#include "shared/telemetry/log.h"
#include "shared/telemetry/resident_memory.h"

namespace reelsight::rpc {

absl::Status RunServer(const config::v1::ServerConfig& config, CallGate& gate, const ServerParts& parts) {
  // Before the server, so that a signal during its start is not lost.
  Mutex mutex;
  CondVar signalled;
  std::optional<int> signal;
  process::SignalWatcher watcher([&](int number) {
    MutexLock lock(mutex);
    signal = number;
    signalled.NotifyAll();
  });
  if (parts.metrics != nullptr && !config.metrics_address().empty()) {
    RETURN_IF_ERROR(parts.metrics->Expose(config.metrics_address()));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(config, gate, parts.services, parts.metrics));
  const std::string metrics_address = parts.metrics == nullptr ? std::string() : parts.metrics->exposed_address();
  telemetry::Log(telemetry::LogLevel::kInfo, "", "listening",
                 {{"address", server->address()}, {"metrics_address", metrics_address}, {"tls", config.has_tls()}});
  process::MemoryTrimmer::Options trim;
  trim.resident_bytes = telemetry::ResidentBytes;
  trim.idle = [&gate] { return gate.calls() == 0; };
  trim.on_trim = [](int64_t before_bytes, int64_t after_bytes) {
    telemetry::Log(telemetry::LogLevel::kDebug, "", "gave memory back",
                   {{"resident_bytes_before", before_bytes}, {"resident_bytes_after", after_bytes}});
  };
  process::MemoryTrimmer trimmer(std::move(trim));
  trimmer.Start();
  if (parts.on_listening) parts.on_listening(server->address(), metrics_address);
  {
    MutexLock lock(mutex);
    while (!signal.has_value()) signalled.Wait(mutex);
    telemetry::Log(telemetry::LogLevel::kInfo, "", "stopping: finishing calls under way; a second signal ends at once",
                   {{"signal", *signal}, {"calls", gate.calls()}});
  }
  const absl::Status drained = server->Drain(parts.on_refuse);
  if (!drained.ok()) telemetry::LogStatus(telemetry::LogLevel::kWarn, "", "calls were cancelled", drained);
  telemetry::Log(telemetry::LogLevel::kInfo, "", "stopped");
  return absl::OkStatus();
}

}  // namespace reelsight::rpc
