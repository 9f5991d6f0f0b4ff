// SPDX-License-Identifier: Apache-2.0
#include "cli/input_name.h"

#include <filesystem>

#include "cli/analyze_options.h"
#include "orchestrator/source/redact_uri.h"

namespace reelsight::cli {

std::string DisplayName(const std::string& input) {
  if (input == "-") return "stdin";
  std::error_code ignored;
  return !IsUri(input) && std::filesystem::exists(input, ignored) ? input : orchestrator::RedactUri(input);
}

}  // namespace reelsight::cli
