// SPDX-License-Identifier: Apache-2.0
#include "services/detection/analyzers.h"
#include "shared/service/analyzer_service_main.h"

int main(int argc, char** argv) {
  return reelsight::service::AnalyzerServiceMain(
      argc, argv,
      {.name = "detection",
       .description = "Objects, poses, eyes and texts of short videos, by neural networks, as a gRPC service.",
       .default_listen_address = "127.0.0.1:7012",
       .default_metrics_address = "127.0.0.1:9012",
       .make_analyzers = reelsight::detection::MakeDetectionAnalyzers});
}
