// SPDX-License-Identifier: Apache-2.0
//
// reelsight-orchestrator: the public service over analyzer services behind gRPC.
#include "orchestrator/orchestrator_main.h"

int main(int argc, char** argv) {
  return reelsight::orchestrator::OrchestratorMain(
      argc, argv,
      {.program = "reelsight-orchestrator",
       .description = "Analyses videos: decodes them once and fans frames out to analyzer services.",
       .examples =
           "  reelsight-orchestrator --config orchestrator.textproto\n"
           "  reelsight-orchestrator --config orchestrator.textproto --check_config\n"
           "  reelsight-orchestrator --config orchestrator.textproto --listen_address 0.0.0.0:7010 --log_format "
           "json\n",
       .service = "orchestrator",
       .default_metrics_address = "127.0.0.1:9010"});
}
