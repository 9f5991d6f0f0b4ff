// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/analyzers.h"
#include "shared/service/analyzer_service_main.h"

int main(int argc, char** argv) {
  return reelsight::service::AnalyzerServiceMain(
      argc, argv,
      {.name = "lightweight",
       .description = "Cuts, scenes, camera motion and colours of short videos, on the CPU, as a gRPC service.",
       .default_listen_address = "127.0.0.1:7011",
       .default_metrics_address = "127.0.0.1:9011",
       .make_analyzers = [](reelsight::inference::ModelSource& models) {
         return reelsight::lightweight::MakeLightweightAnalyzers(&models);
       }});
}
