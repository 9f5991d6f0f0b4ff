// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/source_uri.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

bool IsScheme(std::string_view text) {
  return !text.empty() && absl::ascii_isalpha(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '+' || c == '.' || c == '-'; });
}

int HexDigit(unsigned char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  return absl::ascii_isxdigit(c) ? absl::ascii_tolower(c) - 'a' + 10 : -1;
}

absl::StatusOr<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low < 0) return InvalidField("uri", "`%` is not followed by two hexadecimal digits");
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

absl::StatusOr<SourceUri> ParseFile(std::string_view rest) {
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return InvalidField("uri", "file URIs have the form file:///path");
  const std::string host = absl::AsciiStrToLower(ToAbsl(rest.substr(0, slash)));
  if (!host.empty() && host != "localhost") {
    return InvalidField("uri", "file URIs name no host; write file:///path");
  }
  SourceUri parsed;
  ASSIGN_OR_RETURN(parsed.location, PercentDecode(rest.substr(slash)));
  return parsed;
}

// One level of percent-encoding less; what is not well formed stays as it is.
std::string DecodeLeniently(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    decoded.push_back(low < 0 ? text[i] : static_cast<char>(high * 16 + low));
    if (low >= 0) i += 2;
  }
  return decoded;
}

// True if the segments of `path` lead above where it starts, for servers that resolve `..`, whether or not they count
// empty segments and take `\` for a slash.
bool ClimbsOut(std::string_view path) {
  int depth = 0;
  for (const absl::string_view segment : absl::StrSplit(ToAbsl(path), absl::ByAnyChar("/\\"))) {
    if (segment.empty() || segment == ".") continue;
    depth += segment == ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

// The same, however often the path is percent-decoded on its way.
bool ClimbsOutDecoded(std::string path) {
  while (!ClimbsOut(path)) {
    std::string decoded = DecodeLeniently(path);
    // Each decoding that changes anything makes it shorter.
    if (decoded == path) return false;
    path = std::move(decoded);
  }
  return true;
}

absl::StatusOr<SourceUri> ParseS3(std::string_view rest) {
  SourceUri parsed;
  parsed.kind = SourceUri::Kind::kS3;
  const size_t slash = rest.find('/');
  parsed.bucket = std::string(rest.substr(0, slash));
  if (slash != std::string_view::npos) parsed.key = std::string(rest.substr(slash + 1));
  const bool bucket_ok = parsed.bucket.size() >= 3 && parsed.bucket.size() <= 63 &&
                         std::all_of(parsed.bucket.begin(), parsed.bucket.end(), [](unsigned char c) {
                           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '-';
                         });
  if (!bucket_ok || !absl::ascii_isalnum(parsed.bucket.front()) || !absl::ascii_isalnum(parsed.bucket.back()) ||
      absl::StrContains(parsed.bucket, "..")) {
    return InvalidField("uri", "not a bucket's name; S3 URIs have the form s3://bucket/key");
  }
  if (parsed.key.empty()) return InvalidField("uri", "the key is missing; S3 URIs have the form s3://bucket/key");
  if (parsed.key.size() > 1024) return InvalidField("uri", "an S3 key has at most 1024 bytes");
  if (ClimbsOutDecoded(parsed.key)) {
    return InvalidField("uri", "the key's `..` would lead out of the bucket; name the object by a key without them");
  }
  return parsed;
}

}  // namespace

absl::StatusOr<SourceUri> SourceUri::Parse(std::string_view uri) {
  if (uri.empty()) return InvalidField("uri", "empty");
  const size_t colon = uri.find("://");
  if (colon == std::string_view::npos || !IsScheme(uri.substr(0, colon))) {
    SourceUri parsed;
    parsed.location = std::string(uri);
    return parsed;
  }
  const std::string scheme = absl::AsciiStrToLower(ToAbsl(uri.substr(0, colon)));
  const std::string_view rest = uri.substr(colon + 3);
  if (scheme == "file") return ParseFile(rest);
  if (scheme == "s3") return ParseS3(rest);
  if (scheme == "http" || scheme == "https") {
    SourceUri parsed;
    parsed.kind = Kind::kHttp;
    parsed.location = std::string(uri);
    return parsed;
  }
  return InvalidField("uri",
                      absl::StrCat("scheme `", scheme, "` is not supported; use a path, file, http, https or s3"));
}

bool LooksLikeWebPage(std::string_view bytes) {
  if (absl::StartsWith(ToAbsl(bytes), "\xEF\xBB\xBF")) bytes.remove_prefix(3);
  bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n\f"), bytes.size()));
  for (const absl::string_view start : {"<!doctype html", "<html", "<head", "<body", "<script", "<title", "<meta"}) {
    if (absl::StartsWithIgnoreCase(ToAbsl(bytes), start)) return true;
  }
  // An XHTML page, or a page that begins with a comment.
  if (absl::StartsWith(ToAbsl(bytes), "<?xml") || absl::StartsWith(ToAbsl(bytes), "<!--")) {
    return absl::StrContains(absl::AsciiStrToLower(ToAbsl(bytes)), "<html");
  }
  return false;
}

}  // namespace reelsight::orchestrator
