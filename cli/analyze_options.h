// SPDX-License-Identifier: Apache-2.0
//
// What the flags of `analyze` mean: plain strings in, an AnalyzeRequest out. It knows nothing of CLI11, files or
// servers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::cli {

// The flags as they were typed; empty: not given.
struct AnalyzeFlags {
  // Wire names; commas are split before.
  std::vector<std::string> analyzers;
  // `analyzer=frames a second`.
  std::vector<std::string> fps;
  // `analyzer.field=value`.
  std::vector<std::string> options;
  std::string start;
  std::string end;
  // `accurate` or `reference`.
  std::string profile;
  std::string request_id;
};

// The request without its source. INVALID_ARGUMENT that names the flag.
absl::StatusOr<v1::AnalyzeRequest> MakeRequest(const AnalyzeFlags& flags);

// Sets one option. A typed analyzer's field takes a number, true or false, an enum's name, or a time (`0.5`, `500ms`);
// any other analyzer is custom and its value is JSON where it parses, else a string.
absl::Status SetOption(const std::string& assignment, v1::AnalyzerOptions& options);

// INVALID_ARGUMENT unless `address` is HOST:PORT, with an IPv6 address in brackets, or unix:PATH.
absl::Status CheckServerAddress(const std::string& address);

// What a backend says about a run, if the fault lies in the flags, so that no video would fare better: the same,
// naming the flag. Else OK. `analyzers`: those asked for.
absl::Status AsUsageError(const absl::Status& status, const std::vector<std::string>& analyzers);

// True for `file:`, `http:`, `https:` and `s3:` addresses.
bool IsUri(const std::string& input);

// The word of `candidates` nearest to `word` if it is near enough to be a slip of the fingers, else empty.
std::string NearestWord(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace reelsight::cli
