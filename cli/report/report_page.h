// SPDX-License-Identifier: Apache-2.0
//
// The page that report.cc fills: template.html with its style and scripts, embedded when the program is built.
#pragma once

namespace reelsight::report {

// Holds `{{title}}` and `{{data}}` for report.cc to replace.
extern const char* const kReportPage;

}  // namespace reelsight::report
