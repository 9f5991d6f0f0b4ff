// SPDX-License-Identifier: Apache-2.0
//
// Defaults and bounds of config.v1.ServerConfig and TlsConfig.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/telemetry/log.h"

namespace reelsight::rpc {

// Fills absent fields with their defaults. `default_listen_address` and `default_metrics_address` (empty: none) are the
// program's own.
void ApplyDefaults(const std::string& default_listen_address, const std::string& default_metrics_address,
                   config::v1::ServerConfig* config);

// INVALID_ARGUMENT, INVALID_FIELD, naming the first value that cannot be. Reads the TLS files and checks that they fit
// together. Defaults must have been applied.
absl::Status CheckServerConfig(const config::v1::ServerConfig& config);

// Options of the log that the configuration asks for. INVALID_ARGUMENT for an unknown level.
absl::StatusOr<telemetry::LogOptions> ToLogOptions(const config::v1::LogConfig& config, const std::string& service);

// Credentials; plain text without `tls`. Errors name the file and what to do.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const config::v1::TlsConfig* tls);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const config::v1::TlsConfig* tls);

}  // namespace reelsight::rpc
