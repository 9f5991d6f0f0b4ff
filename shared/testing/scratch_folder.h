// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace reelsight::testing {

// An empty folder of one test's own, deleted with this object: tests run side by side, also those of one program.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` in it; makes nothing.
  std::string operator/(const std::string& name) const;

 private:
  std::string path_;
};

}  // namespace reelsight::testing
