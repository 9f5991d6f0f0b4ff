// SPDX-License-Identifier: Apache-2.0
//
// A small video made in memory, for the self-test: three shots of moving texture in three colours. Motion JPEG in AVI,
// because that needs no video encoder.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace reelsight::cli {

struct TestClip {
  // The file.
  std::string avi;
  int width_px = 0;
  int height_px = 0;
  int frame_count = 0;
  absl::Duration duration;
  // Where the hard cuts are.
  std::vector<absl::Duration> cuts;
};

// INTERNAL if the JPEG encoder fails.
absl::StatusOr<TestClip> MakeTestClip();

}  // namespace reelsight::cli
