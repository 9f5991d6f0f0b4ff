// SPDX-License-Identifier: Apache-2.0
#include "shared/base/random_id.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/escaping.h"

namespace reelsight {

std::string RandomId() {
  char bytes[16];
  if (getentropy(bytes, sizeof(bytes)) != 0) {
    std::perror("getentropy");
    std::abort();
  }
  return absl::BytesToHexString(absl::string_view(bytes, sizeof(bytes)));
}

}  // namespace reelsight
