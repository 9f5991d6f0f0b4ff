// SPDX-License-Identifier: Apache-2.0
//
// The main function that all analyzer services share. A service's main.cc names its parts and calls it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reelsight/config/v1/config.pb.h"
#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::service {

struct AnalyzerServiceParts {
  // Wire name of the service, for instance `lightweight`; the program is `reelsight-` and this.
  std::string name;
  // What it does, in one line, for --help.
  std::string description;
  std::string default_listen_address;
  std::string default_metrics_address;
  // `models` outlives the analyzers.
  std::function<std::vector<std::unique_ptr<analysis::Analyzer>>(inference::ModelSource& models)> make_analyzers;
};

// Fills in what `config` leaves open; of the models and the slice, those who use them know their defaults.
void ApplyDefaults(const AnalyzerServiceParts& parts, config::v1::AnalyzerServiceConfig* config);

// Reads flags and configuration, serves until told to stop, and returns the exit status of the process: 0 good, 1 it
// could not serve, 2 wrong usage or configuration.
int AnalyzerServiceMain(int argc, const char* const* argv, const AnalyzerServiceParts& parts);

}  // namespace reelsight::service
