// SPDX-License-Identifier: Apache-2.0
//
// reelsight: the command line.
#include "cli/command_line.h"

int main(int argc, char** argv) { return reelsight::cli::RunCommandLine(argc, argv); }
