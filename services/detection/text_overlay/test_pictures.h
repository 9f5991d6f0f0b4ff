// SPDX-License-Identifier: Apache-2.0
//
// For tests: the pictures of testdata/.
#pragma once

#include <memory>
#include <string>

#include "shared/analysis/image.h"

namespace reelsight::text_overlay {

// Path of a file in testdata/.
std::string DataPath(const std::string& name);
// testdata/NAME.jpg as RGB24. A file that cannot be read fails the test.
std::shared_ptr<const analysis::Image> LoadJpeg(const std::string& name);

}  // namespace reelsight::text_overlay
