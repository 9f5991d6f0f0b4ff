// SPDX-License-Identifier: Apache-2.0
//
// TLS on connections that the server accepts itself, with certificates made here.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/unique_fd.h"
#include "shared/rpc/analyzer_service.h"
#include "shared/rpc/grpc_analyzer_client.h"
#include "shared/rpc/server.h"
#include "shared/rpc/server_config.h"
#include "shared/testing/fake_analyzer.h"
#include "shared/testing/loopback.h"
#include "shared/testing/scratch_folder.h"
#include "shared/testing/wait.h"

namespace reelsight::rpc {
namespace {

using config::v1::ServerConfig;
using config::v1::TlsConfig;
using testing::FakeAnalyzer;

constexpr int kLongMs = 30'000;

// A certificate and its key, with the files that hold them.
class Identity {
 public:
  // Signed by `issuer`; by itself if that is null.
  Identity(const testing::ScratchFolder& folder, const std::string& name, const Identity* issuer)
      : certificate_file_(folder / (name + ".pem")),
        key_file_(folder / (name + ".key")),
        key_(EVP_EC_gen("P-256")),
        certificate_(X509_new()) {
    static long serial = 0;
    X509_set_version(certificate_, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), 3600);
    X509_set_pubkey(certificate_, key_);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate_), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate_, X509_get_subject_name((issuer != nullptr ? issuer : this)->certificate_));
    AddExtension(NID_basic_constraints, issuer != nullptr ? "CA:FALSE" : "critical,CA:TRUE");
    AddExtension(NID_subject_alt_name, "IP:127.0.0.1");
    X509_sign(certificate_, (issuer != nullptr ? issuer : this)->key_, EVP_sha256());
    std::FILE* file = std::fopen(certificate_file_.c_str(), "w");
    EXPECT_EQ(PEM_write_X509(file, certificate_), 1);
    (void)std::fclose(file);
    file = std::fopen(key_file_.c_str(), "w");
    EXPECT_EQ(PEM_write_PrivateKey(file, key_, nullptr, nullptr, 0, nullptr, nullptr), 1);
    (void)std::fclose(file);
  }
  ~Identity() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  const std::string& certificate_file() const { return certificate_file_; }
  const std::string& key_file() const { return key_file_; }

 private:
  void AddExtension(int id, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    X509_add_ext(certificate_, extension, -1);
    X509_EXTENSION_free(extension);
  }

  const std::string certificate_file_;
  const std::string key_file_;
  EVP_PKEY* const key_;
  X509* const certificate_;
};

// `authority`: whose certificates are trusted; null: nobody's is asked for.
TlsConfig Tls(const Identity* own, const Identity* authority) {
  TlsConfig tls;
  if (own != nullptr) tls.set_certificate_file(own->certificate_file());
  if (own != nullptr) tls.set_private_key_file(own->key_file());
  if (authority != nullptr) tls.set_ca_file(authority->certificate_file());
  return tls;
}

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerTlsTest() {
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
    analyzers.push_back(std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description("fake", 0, 4)));
    host_ = *analysis::AnalyzerHost::Create("test", "1", std::move(analyzers), 1);
    service_ = std::make_unique<AnalyzerServiceImpl>(*host_, executor_, CallEnvironment{gate_});
  }

  void Start(const TlsConfig& tls, ServerConfig config = {}) {
    *config.mutable_tls() = tls;
    ApplyDefaults("127.0.0.1:0", "", &config);
    auto server =
        Server::Start(config, gate_, {{service_.get(), analyzer::v1::AnalyzerService::service_full_name(), nullptr}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Null: plain text.
  std::unique_ptr<GrpcAnalyzerClient> Client(const TlsConfig* tls) const {
    GrpcAnalyzerClient::Options options;
    options.name = "test";
    options.target = server_->address();
    options.tls = tls;
    return *GrpcAnalyzerClient::Create(options);
  }
  static absl::Status Call(GrpcAnalyzerClient& client) {
    std::promise<absl::Status> answer;
    client.Describe(CancelToken(), [&](auto response) { answer.set_value(response.status()); });
    return answer.get_future().get();
  }
  absl::StatusCode CallBy(const TlsConfig* tls) const { return Call(*Client(tls)).code(); }

  UniqueFd Connect() const { return reelsight::testing::ConnectToLoopback(server_->port()); }
  // Whatever it says before.
  static bool IsClosedByServer(const UniqueFd& fd) {
    char bytes[512];
    for (pollfd ready = {fd.get(), POLLIN, 0}; poll(&ready, 1, kLongMs) == 1;) {
      if (read(fd.get(), bytes, sizeof(bytes)) <= 0) return true;
    }
    return false;
  }

  const testing::ScratchFolder folder_;
  const Identity authority_{folder_, "authority", nullptr};
  const Identity stranger_{folder_, "stranger", nullptr};
  const Identity host_identity_{folder_, "host", &authority_};
  CallGate gate_{16};
  concurrency::FairExecutor executor_{{.thread_count = 1}};
  std::unique_ptr<analysis::AnalyzerHost> host_;
  std::unique_ptr<AnalyzerServiceImpl> service_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTlsTest, ServesClientsThatTrustItAndNoOthers) {
  Start(Tls(&host_identity_, nullptr));
  const TlsConfig trusting = Tls(nullptr, &authority_), doubting = Tls(nullptr, &stranger_);
  EXPECT_EQ(CallBy(&trusting), absl::StatusCode::kOk);
  EXPECT_EQ(CallBy(nullptr), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallBy(&doubting), absl::StatusCode::kUnavailable);
  // Plain HTTP/2 is no handshake.
  const UniqueFd plain = Connect();
  constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  ASSERT_EQ(write(plain.get(), kPreface.data(), kPreface.size()), static_cast<ssize_t>(kPreface.size()));
  EXPECT_TRUE(IsClosedByServer(plain));
  EXPECT_EQ(CallBy(&trusting), absl::StatusCode::kOk);
}

TEST_F(ServerTlsTest, WithAnAuthorityClientsNeedACertificateOfIt) {
  Start(Tls(&host_identity_, &authority_));
  const Identity caller(folder_, "caller", &authority_), forged(folder_, "forged", &stranger_);
  const TlsConfig known = Tls(&caller, &authority_), unknown = Tls(&forged, &authority_),
                  anonymous = Tls(nullptr, &authority_);
  EXPECT_EQ(CallBy(&known), absl::StatusCode::kOk);
  EXPECT_EQ(CallBy(&anonymous), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallBy(&unknown), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallBy(nullptr), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallBy(&known), absl::StatusCode::kOk);
}

TEST_F(ServerTlsTest, TheCapHoldsAndWhoIsInGoesOn) {
  ServerConfig config;
  config.set_max_connections(3);
  config.set_handshake_timeout_seconds(3600);
  Start(Tls(&host_identity_, nullptr), config);
  const TlsConfig trusting = Tls(nullptr, &authority_);
  const std::unique_ptr<GrpcAnalyzerClient> client = Client(&trusting);
  ASSERT_TRUE(Call(*client).ok());
  UniqueFd silent = Connect();
  const UniqueFd other = Connect();
  EXPECT_TRUE(IsClosedByServer(Connect()));
  EXPECT_EQ(CallBy(&trusting), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Call(*client).ok());
  silent.reset();
  // gRPC takes its time to close its end.
  EXPECT_TRUE(testing::WaitUntil([&] { return CallBy(&trusting) == absl::StatusCode::kOk; }));
}

TEST_F(ServerTlsTest, WhoDoesNotShakeHandsIsClosed) {
  ServerConfig config;
  config.set_handshake_timeout_seconds(0.2);
  Start(Tls(&host_identity_, nullptr), config);
  const UniqueFd silent = Connect();
  EXPECT_TRUE(IsClosedByServer(silent));
  // A handshake that stops half way.
  const UniqueFd half = Connect();
  constexpr char kRecordHead[] = {0x16, 0x03, 0x01, 0x01, 0x00};
  ASSERT_EQ(write(half.get(), kRecordHead, sizeof(kRecordHead)), static_cast<ssize_t>(sizeof(kRecordHead)));
  EXPECT_TRUE(IsClosedByServer(half));
}

}  // namespace
}  // namespace reelsight::rpc
