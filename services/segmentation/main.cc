// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/analyzers.h"
#include "shared/service/analyzer_service_main.h"

int main(int argc, char** argv) {
  return reelsight::service::AnalyzerServiceMain(
      argc, argv,
      {.name = "segmentation",
       .description = "People and background of short videos, by neural networks, as a gRPC service.",
       .default_listen_address = "127.0.0.1:7013",
       .default_metrics_address = "127.0.0.1:9013",
       .make_analyzers = reelsight::segmentation::MakeSegmentationAnalyzers});
}
