// SPDX-License-Identifier: Apache-2.0
//
// What a caller's `uri` names. Parses no more than is needed to choose the kind of source.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace reelsight::orchestrator {

struct SourceUri {
  enum class Kind { kFile, kHttp, kS3 };
  Kind kind = Kind::kFile;
  // kFile: the path, percent-decoded if it came as file://. kHttp: the URI. kS3: empty.
  std::string location;
  // kS3 only. The key is taken as it is, as S3's own tools do: nothing is percent-decoded. One whose `..` would lead
  // out of the bucket, were it resolved by some server, is refused.
  std::string bucket;
  std::string key;

  // A path, or a URI with the scheme file, http, https or s3. Errors: INVALID_ARGUMENT.
  static absl::StatusOr<SourceUri> Parse(std::string_view uri);
};

// True if `bytes`, the start of a file, are an HTML page.
bool LooksLikeWebPage(std::string_view bytes);

}  // namespace reelsight::orchestrator
