// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/s3_location.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// SHA-256 of nothing: the body of a GET. S3 wants it as a header.
constexpr char kEmptySha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// As the signature wants it: all but unreserved characters and slashes, in upper case.
std::string EncodeKey(std::string_view key) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : key) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/') {
      encoded.push_back(static_cast<char>(c));
    } else {
      encoded.append({'%', kHex[c >> 4], kHex[c & 15]});
    }
  }
  return encoded;
}

// The text of the first `<tag>`; empty if there is none.
std::string Element(std::string_view xml, absl::string_view tag) {
  const std::string open = absl::StrCat("<", tag, ">");
  const size_t start = xml.find(open);
  if (start == std::string_view::npos) return "";
  const size_t from = start + open.size();
  const size_t end = xml.find('<', from);
  if (end == std::string_view::npos) return "";
  std::string text(xml.substr(from, std::min<size_t>(end - from, 300)));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
  return text;
}

// The host of an endpoint, with its port unless that is the scheme's own.
std::string HostOf(std::string_view url) {
  return std::string(url.substr(url.find("://") + 3, url.find('/', url.find("://") + 3) - url.find("://") - 3));
}

}  // namespace

S3Location::Credentials S3Location::Credentials::FromEnvironment() {
  std::string region = Environment("AWS_REGION");
  if (region.empty()) region = Environment("AWS_DEFAULT_REGION");
  return {Environment("AWS_ACCESS_KEY_ID"), Environment("AWS_SECRET_ACCESS_KEY"), Environment("AWS_SESSION_TOKEN"),
          std::move(region)};
}

absl::StatusOr<S3Location> S3Location::Create(const config::v1::S3Config& config, Credentials credentials) {
  S3Location location;
  location.region_ = !config.region().empty()      ? config.region()
                     : !credentials.region.empty() ? credentials.region
                                                   : "us-east-1";
  location.credentials_ = std::move(credentials);
  if (!std::all_of(location.region_.begin(), location.region_.end(),
                   [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-'; })) {
    return InvalidField("sources.s3.region", "must be a region's name, for instance eu-central-1");
  }
  std::string endpoint = config.endpoint();
  while (absl::EndsWith(endpoint, "/")) endpoint.pop_back();
  const bool http = absl::StartsWithIgnoreCase(endpoint, "http://");
  if (!endpoint.empty()) {
    if (!http && !absl::StartsWithIgnoreCase(endpoint, "https://")) {
      return InvalidField("sources.s3.endpoint", "must begin with http:// or https://");
    }
    std::string host = HostOf(endpoint);
    if (host.empty() || endpoint.find_first_of("?#@ ") != std::string::npos) {
      return InvalidField("sources.s3.endpoint", "must be a scheme, a host and perhaps a port and a path");
    }
    const std::string path = endpoint.substr(endpoint.find("://") + 3 + host.size());
    // Signed is what is sent: libcurl sends no port that is the scheme's own.
    host = absl::AsciiStrToLower(absl::StripSuffix(host, http ? ":80" : ":443"));
    endpoint = absl::StrCat(http ? "http://" : "https://", host, path);
  }
  location.endpoint_ = endpoint;
  location.path_style_ = config.has_path_style() ? config.path_style() : !endpoint.empty();
  return location;
}

std::string S3Location::Url(const std::string& bucket, const std::string& key) const {
  const bool china = absl::StartsWith(region_, "cn-");
  const std::string base =
      endpoint_.empty() ? absl::StrCat("https://s3.", region_, ".amazonaws.com", china ? ".cn" : "") : endpoint_;
  // A certificate for *.host does not hold for a bucket with dots.
  if (path_style_ || (absl::StrContains(bucket, ".") && absl::StartsWith(base, "https://"))) {
    return absl::StrCat(base, "/", bucket, "/", EncodeKey(key));
  }
  const size_t host = base.find("://") + 3;
  return absl::StrCat(base.substr(0, host), bucket, ".", base.substr(host), "/", EncodeKey(key));
}

void S3Location::Configure(const std::string& bucket, HttpSource::Options& options) const {
  if (!endpoint_.empty()) options.transfer.allow_private_addresses = true;
  options.max_redirects = 0;
  // Also without a signature: a key is a name, in which `..` means nothing.
  options.path_as_is = true;
  options.explain = [self = *this, bucket](int status, std::string_view body) {
    return self.Explain(status, body, bucket);
  };
  if (credentials_.access_key.empty()) return;
  options.aws_sigv4 = absl::StrCat("aws:amz:", region_, ":s3");
  options.access_key = credentials_.access_key;
  options.secret_key = credentials_.secret_key;
  options.headers.push_back(absl::StrCat("x-amz-content-sha256: ", kEmptySha256));
  if (!credentials_.session_token.empty()) {
    options.headers.push_back(absl::StrCat("x-amz-security-token: ", credentials_.session_token));
  }
  // libcurl signs the host without its port, but sends it with it, unless the header is given.
  const std::string host = HostOf(Url(bucket, ""));
  if (host.rfind(':') != std::string::npos && host.back() != ']')
    options.headers.push_back(absl::StrCat("Host: ", host));
}

absl::Status S3Location::Explain(int status, std::string_view body, const std::string& bucket) const {
  const std::string code = Element(body, "Code");
  const std::string said = absl::StrCat(" (S3 says ", code.empty() ? absl::StrCat(status) : code, ")");
  const std::string object = absl::StrCat("bucket ", bucket);
  const auto forbidden = [&](absl::string_view what) {
    return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                     absl::StrCat(object, ": ", what, said));
  };
  const auto misconfigured = [&](absl::string_view what) {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kSourceForbidden,
                     absl::StrCat(object, ": ", what, said));
  };
  if (code == "NoSuchKey" || code == "NoSuchVersion") {
    return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound,
                     absl::StrCat(object, ": no such object", said));
  }
  if (code == "NoSuchBucket") {
    return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound,
                     absl::StrCat(object, ": no such bucket", said));
  }
  if (code == "AuthorizationHeaderMalformed" || code == "PermanentRedirect" || code == "TemporaryRedirect" ||
      code == "IllegalLocationConstraintException" || status == 301 || status == 307) {
    const std::string region = Element(body, "Region");
    const std::string endpoint = Element(body, "Endpoint");
    return misconfigured(
        absl::StrCat("it lies in another region than ", region_, region.empty() ? "" : absl::StrCat(", in ", region),
                     endpoint.empty() ? "" : absl::StrCat(", at ", endpoint), "; set sources.s3.region"));
  }
  if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "InvalidToken" ||
      code == "ExpiredToken" || code == "TokenRefreshRequired") {
    return misconfigured(
        "the server's credentials are not accepted; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
        "AWS_SESSION_TOKEN of "
        "its environment");
  }
  if (code == "RequestTimeTooSkewed") return misconfigured("the server's clock is wrong; set it by a time service");
  if (code == "InvalidObjectState") return misconfigured("the object is archived; restore it first");
  if (code == "AccessDenied" || status == 401 || status == 403) {
    return forbidden(
        credentials_.access_key.empty()
            ? "access denied to a request without credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in "
              "the server's environment"
            : "access denied; the server's credentials need s3:GetObject on the object, and s3:ListBucket to tell "
              "missing objects from forbidden ones");
  }
  return absl::OkStatus();
}

}  // namespace reelsight::orchestrator
