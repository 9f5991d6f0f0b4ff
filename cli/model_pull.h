// SPDX-License-Identifier: Apache-2.0
//
// Fetching models for a person at a terminal: a progress bar, and the licence of models that restrict use.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/terminal.h"
#include "reelsight/v1/video_analysis_service.pb.h"
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

// Models that are not installed of those that `request` runs with: the ones its options name, and the defaults of its
// analyzers (of all, if it names none) that the options do not replace. By name.
std::vector<std::string> MissingModels(const model_store::ModelStore& store, const v1::AnalyzeRequest& request);

}  // namespace reelsight::cli
