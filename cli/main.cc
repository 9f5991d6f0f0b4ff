// SPDX-License-Identifier: Apache-2.0
//
// reelsight: the command line.
#include "cli/command_line.h"
#include "shared/process/allocator.h"

int main(int argc, char** argv) {
  reelsight::process::LimitArenas();
  return reelsight::cli::RunCommandLine(argc, argv);
}
