// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/analyzer.h"

#include <utility>

namespace reelsight::analysis {

analyzer::v1::Model ClassicalModel(std::string version) {
  analyzer::v1::Model model;
  model.set_name("classical");
  model.set_version(std::move(version));
  model.set_license("Apache-2.0");
  model.set_device("cpu");
  return model;
}

}  // namespace reelsight::analysis
