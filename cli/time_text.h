// SPDX-License-Identifier: Apache-2.0
//
// Times, sizes and shares as people write and read them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace reelsight::cli {

// Reads `12.5`, `12.5s`, `500ms`, `1m30s`, `1:02`, `1:02.5` or `1:02:03.5`; a bare number counts seconds. Never
// negative. INVALID_ARGUMENT that shows the forms.
absl::StatusOr<absl::Duration> ParseTime(const std::string& text);

// Place in a video: `0:02.400`, `1:02:03.500`; rounded to milliseconds.
std::string FormatPlace(absl::Duration offset);
// Length of time with three digits: `850 µs`, `320 ms`, `2.40 s`, `75.3 s`, `12 m 30 s`.
std::string FormatLength(absl::Duration length);
// `812 B`, `1.5 KiB`, `12.0 MiB`.
std::string FormatBytes(int64_t bytes);
// Integer with thin groups: `1,234,567`.
std::string FormatCount(int64_t count);
// Frame rate without needless zeros: `25`, `29.97`.
std::string FormatRate(double rate);

}  // namespace reelsight::cli
