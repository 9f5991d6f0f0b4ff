// SPDX-License-Identifier: Apache-2.0
//
// Fetching models for a person at a terminal: a progress bar, and the licence of models that restrict use.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/terminal.h"
#include "shared/base/cancel_token.h"
#include "shared/model_store/model_puller.h"

namespace reelsight::cli {

struct ModelPullOptions {
  bool offline = false;
  bool force = false;
  // No progress and no notes.
  bool quiet = false;
  // Licences that restrict use are accepted without being asked for.
  bool accept_license = false;
  // What standard error can show.
  Terminal err;
};

// Pulls one model after the other; goes on after an error. The first error, or the token's status.
absl::Status PullModels(const model_store::ModelStore& store, const std::vector<std::string>& names,
                        const ModelPullOptions& options, const CancelToken& cancel);

// Default models of `analyzers` (empty: of all) that are not installed, by name.
std::vector<std::string> MissingDefaults(const model_store::ModelStore& store,
                                         const std::vector<std::string>& analyzers);

// Models that `options` (`analyzer.model=NAME`, `analyzer.detector_model=NAME`) name, that the catalogue has, and that
// are not installed.
std::vector<std::string> MissingOfOptions(const model_store::ModelStore& store,
                                          const std::vector<std::string>& options);

}  // namespace reelsight::cli
