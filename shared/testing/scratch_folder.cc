// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/scratch_folder.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace reelsight::testing {

ScratchFolder::ScratchFolder() : path_(absl::StrCat(::testing::TempDir(), "/reelsight_test_XXXXXX")) {
  if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "cannot make a folder in " << ::testing::TempDir();
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::operator/(const std::string& name) const { return absl::StrCat(path_, "/", name); }

}  // namespace reelsight::testing
