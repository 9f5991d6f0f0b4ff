// SPDX-License-Identifier: Apache-2.0
//
// What the FFmpeg that the program runs with is able to do.
#pragma once

#include <string>

namespace reelsight::orchestrator {

// Such as "5.1.6-0+deb12u1".
std::string FfmpegVersion();
// True if there is a decoder for a codec of this name, such as "h264", "hevc" or "av1".
bool CanDecode(const std::string& codec);

}  // namespace reelsight::orchestrator
