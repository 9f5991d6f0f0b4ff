// SPDX-License-Identifier: Apache-2.0
//
// Short clips for tests, made by the ffmpeg program into a temporary folder.
#pragma once

#include <string>
#include <vector>

namespace reelsight::testing {

// A folder of this process's own, removed when it ends.
const std::string& ClipFolder();

// Runs `ffmpeg <args> PATH` and returns PATH, a new file in ClipFolder() whose name ends in `suffix`. Equal calls in
// one process give the same file. If ffmpeg fails, the test fails with what it said, and the path names no file.
std::string GenerateClip(const std::vector<std::string>& args, const std::string& suffix = ".mp4");

// Arguments for a moving test picture: `-f lavfi -i testsrc2=...`, of so many frames.
std::vector<std::string> TestPicture(int width_px, int height_px, int frame_count, int fps = 25);

// `first` and then `second`.
std::vector<std::string> Join(std::vector<std::string> first, const std::vector<std::string>& second);

// Runs a program and returns what it wrote to stdout. If it fails, the test fails with what it wrote to stderr.
std::string RunProgram(const std::vector<std::string>& command);

// Writes `bytes` to a new file in ClipFolder() whose name ends in `suffix`, and returns its path.
std::string WriteClip(const std::string& bytes, const std::string& suffix);
std::string ReadFile(const std::string& path);

}  // namespace reelsight::testing
