// SPDX-License-Identifier: Apache-2.0
//
// The version of the product.
#pragma once

namespace reelsight::process {

// For instance `0.1.0`.
const char* Version();

}  // namespace reelsight::process
