// SPDX-License-Identifier: Apache-2.0
//
// The named colours of CSS Color Module Level 4.
#pragma once

#include <span>
#include <string_view>

#include "services/lightweight/color_analysis/cielab.h"

namespace reelsight::color_analysis {

struct CssColor {
  std::string_view name;
  Rgb rgb;
};

// All names, in alphabetical order; of two names for one colour the first (`aqua`, `fuchsia`), and `gray` rather than
// `grey`.
std::span<const CssColor> CssColors();

// The named colour nearest to `lab` by CIEDE2000; of equals the first by name.
const CssColor& NearestCssColor(const Lab& lab);

}  // namespace reelsight::color_analysis
