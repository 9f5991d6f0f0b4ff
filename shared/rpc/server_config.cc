// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/server_config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "grpcpp/support/config.h"
#include "shared/base/host_port.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

using config::v1::ServerConfig;
using config::v1::TlsConfig;

absl::Status CheckAddress(const std::string& field, const std::string& address) {
  if (ParseHostPort(address)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("'", address, "' is not host:port, as in 127.0.0.1:7010 or [::1]:7010"));
}

absl::Status CheckRange(const char* field, double value, double min, double max) {
  // Written so that NaN fails too.
  if (value >= min && value <= max) return absl::OkStatus();
  return InvalidField(field, absl::StrFormat("%.15g is outside %.15g to %.15g", value, min, max));
}

absl::StatusOr<std::string> ReadPem(const char* field, const std::string& path, const char* kind) {
  // Reading a folder by a stream throws.
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    return InvalidField(field, absl::StrCat(path, " is a folder; give the path of a PEM file"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    return InvalidField(field, absl::StrCat("cannot read ", path, " (", std::strerror(errno),
                                            "); give the path of a PEM file that this process may read"));
  }
  if (text.find("-----BEGIN ") == std::string::npos) {
    return InvalidField(field, absl::StrCat(path, " holds no PEM block; it must be a ", kind, " in PEM format"));
  }
  return text;
}

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using X509Ptr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;

BioPtr MemoryBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

X509Ptr ParseCertificate(const std::string& pem) {
  return X509Ptr(PEM_read_bio_X509(MemoryBio(pem).get(), nullptr, nullptr, nullptr));
}

// PEM texts of a TlsConfig that fit together.
struct TlsFiles {
  std::string certificate;
  std::string private_key;
  std::string authorities;
};

absl::StatusOr<TlsFiles> LoadTls(const TlsConfig& tls) {
  TlsFiles files;
  if (tls.certificate_file().empty() != tls.private_key_file().empty()) {
    return InvalidField("tls", "certificate_file and private_key_file go together; give both or none");
  }
  if (!tls.ca_file().empty()) {
    ASSIGN_OR_RETURN(files.authorities, ReadPem("tls.ca_file", tls.ca_file(), "list of certificates"));
    if (ParseCertificate(files.authorities) == nullptr) {
      return InvalidField("tls.ca_file", absl::StrCat(tls.ca_file(), " holds no readable certificate"));
    }
  }
  if (tls.certificate_file().empty()) return files;
  ASSIGN_OR_RETURN(files.certificate, ReadPem("tls.certificate_file", tls.certificate_file(), "certificate chain"));
  ASSIGN_OR_RETURN(files.private_key, ReadPem("tls.private_key_file", tls.private_key_file(), "private key"));
  const X509Ptr certificate = ParseCertificate(files.certificate);
  if (certificate == nullptr) {
    return InvalidField("tls.certificate_file", absl::StrCat(tls.certificate_file(), " holds no readable certificate"));
  }
  // An empty password: without it, a protected key would ask on the terminal.
  char no_password[] = "";
  const KeyPtr key(PEM_read_bio_PrivateKey(MemoryBio(files.private_key).get(), nullptr, nullptr, no_password));
  if (key == nullptr) {
    return InvalidField("tls.private_key_file",
                        absl::StrCat(tls.private_key_file(), " holds no readable private key without a password"));
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return InvalidField("tls.private_key_file",
                        absl::StrCat(tls.private_key_file(), " is not the key of ", tls.certificate_file()));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return InvalidField("tls.certificate_file", absl::StrCat(tls.certificate_file(), " has expired; renew it"));
  }
  return files;
}

}  // namespace

void ApplyDefaults(const std::string& default_listen_address, const std::string& default_metrics_address,
                   ServerConfig* config) {
  if (config->listen_address().empty()) config->set_listen_address(default_listen_address);
  if (config->metrics_address().empty()) config->set_metrics_address(default_metrics_address);
  if (config->max_receive_bytes() == 0) config->set_max_receive_bytes(int64_t{64} << 20);
  if (config->drain_seconds() == 0) config->set_drain_seconds(30);
  if (config->max_connection_age_seconds() == 0) config->set_max_connection_age_seconds(300);
  if (config->max_concurrent_calls() == 0) config->set_max_concurrent_calls(256);
  if (config->max_connections() == 0) config->set_max_connections(1024);
  if (config->handshake_timeout_seconds() == 0) config->set_handshake_timeout_seconds(10);
  if (!config->has_reflection()) config->set_reflection(true);
}

absl::Status CheckServerConfig(const ServerConfig& config) {
  RETURN_IF_ERROR(CheckAddress("server.listen_address", config.listen_address()));
  if (!config.metrics_address().empty()) {
    RETURN_IF_ERROR(CheckAddress("server.metrics_address", config.metrics_address()));
  }
  RETURN_IF_ERROR(CheckRange("server.max_receive_bytes", static_cast<double>(config.max_receive_bytes()), 1 << 16,
                             int64_t{1} << 30));
  RETURN_IF_ERROR(CheckRange("server.drain_seconds", config.drain_seconds(), 0, 3600));
  RETURN_IF_ERROR(CheckRange("server.drain_grace_seconds", config.drain_grace_seconds(), 0, 600));
  RETURN_IF_ERROR(CheckRange("server.max_connection_age_seconds", config.max_connection_age_seconds(), 1, 86400));
  RETURN_IF_ERROR(CheckRange("server.max_concurrent_calls", config.max_concurrent_calls(), 1, 100000));
  RETURN_IF_ERROR(CheckRange("server.max_connections", config.max_connections(), 1, 1000000));
  RETURN_IF_ERROR(CheckRange("server.handshake_timeout_seconds", config.handshake_timeout_seconds(), 0.1, 3600));
  RETURN_IF_ERROR(ToLogOptions(config.log(), "").status());
  return MakeServerCredentials(config.has_tls() ? &config.tls() : nullptr).status();
}

absl::StatusOr<telemetry::LogOptions> ToLogOptions(const config::v1::LogConfig& config, const std::string& service) {
  telemetry::LogOptions options{.json = config.format() == config::v1::LogConfig::JSON, .service = service};
  if (const absl::Status status = telemetry::ParseLogLevel(config.level(), &options.level); !status.ok()) {
    return InvalidField("server.log.level", std::string(status.message()));
  }
  return options;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsConfig* tls) {
  if (tls == nullptr) return grpc::InsecureServerCredentials();
  if (tls->certificate_file().empty()) {
    return InvalidField("tls.certificate_file", "a server with TLS needs a certificate and its private key");
  }
  ASSIGN_OR_RETURN(const TlsFiles files, LoadTls(*tls));
  grpc::SslServerCredentialsOptions options(files.authorities.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = files.authorities;
  options.pem_key_cert_pairs.push_back({files.private_key, files.certificate});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const TlsConfig* tls) {
  if (tls == nullptr) return grpc::InsecureChannelCredentials();
  ASSIGN_OR_RETURN(const TlsFiles files, LoadTls(*tls));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = files.authorities;
  options.pem_private_key = files.private_key;
  options.pem_cert_chain = files.certificate;
  return grpc::SslCredentials(options);
}

}  // namespace reelsight::rpc
