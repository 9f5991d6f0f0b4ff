// SPDX-License-Identifier: Apache-2.0
#include "shared/process/version.h"

namespace reelsight::process {

const char* Version() { return REELSIGHT_VERSION; }

}  // namespace reelsight::process
