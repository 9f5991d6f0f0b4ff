// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/file_hashes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::model_store {
namespace {

namespace fs = std::filesystem;

// SHA-256 of `hello` and of `world`.
constexpr char kHello[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
constexpr char kWorld[] = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7";

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

class FileHashesTest : public ::testing::Test {
 protected:
  FileHashesTest() { Write(path_, "hello"); }

  const testing::ScratchFolder folder_;
  const std::string path_ = folder_ / "a model.onnx";
};

TEST_F(FileHashesTest, AFileIsReadOnceByAllProcesses) {
  FileHashes first;
  for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(*first.Of(path_), kHello);
  EXPECT_EQ(first.reads(), 1);
  FileHashes second;
  EXPECT_EQ(*second.Of(path_), kHello);
  EXPECT_EQ(second.reads(), 0);
  // One that runs already hears of what another has read.
  Write(folder_ / "b", "world");
  EXPECT_EQ(*second.Of(folder_ / "b"), kWorld);
  EXPECT_EQ(*first.Of(folder_ / "b"), kWorld);
  EXPECT_EQ(first.reads(), 1);
}

TEST_F(FileHashesTest, EveryChangeIsNoticed) {
  FileHashes hashes;
  ASSERT_EQ(*hashes.Of(path_), kHello);
  struct stat before = {};
  ASSERT_EQ(stat(path_.c_str(), &before), 0);
  const auto change = [&](const char* what, auto make) {
    // The clock of files goes in ticks.
    struct stat now = {};
    do {
      make();
      ASSERT_EQ(stat(path_.c_str(), &now), 0);
    } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec && now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
    const int64_t reads = hashes.reads();
    EXPECT_EQ(*hashes.Of(path_), *FileSha256(path_)) << what;
    EXPECT_EQ(*FileHashes().Of(path_), *FileSha256(path_)) << what;
    EXPECT_EQ(hashes.reads(), reads + 1) << what;
    before = now;
  };
  change("as long, with the old time of modification", [&] {
    Write(path_, "world");
    const timespec times[] = {before.st_atim, before.st_mtim};
    utimensat(AT_FDCWD, path_.c_str(), times, 0);
  });
  change("longer", [&] { Write(path_, "hello!"); });
  change("another file of the same name", [&] {
    Write(folder_ / "other", "other!");
    fs::rename(folder_ / "other", path_);
  });
  change("touched", [&] { fs::last_write_time(path_, fs::file_time_type::clock::now()); });
}

TEST_F(FileHashesTest, WhoeverHashedTheBytesMaySaySo) {
  FileHashes hashes;
  hashes.Remember(path_, kHello);
  EXPECT_EQ(*hashes.Of(path_), kHello);
  EXPECT_EQ(hashes.reads(), 0);
  EXPECT_EQ(*hashes.Read(path_), kHello);
  EXPECT_EQ(hashes.reads(), 1);
}

TEST_F(FileHashesTest, AFolderThatCannotBeWrittenIsRememberedInMemory) {
  // Nobody, root neither, renames a file over a folder.
  fs::create_directories(folder_ / ".hashes");
  FileHashes hashes;
  for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(*hashes.Of(path_), kHello);
  EXPECT_EQ(hashes.reads(), 1);
  int files = 0;
  for ([[maybe_unused]] const auto& item : fs::directory_iterator(folder_.path())) ++files;
  EXPECT_EQ(files, 2);
}

TEST_F(FileHashesTest, AMemoryThatCannotBeReadIsMadeAnew) {
  for (const char* text : {"", "\n\n", "nonsense", "a b c d e f\n", "\x01\xff\n hello"}) {
    Write(folder_ / ".hashes", text);
    FileHashes hashes;
    EXPECT_EQ(*hashes.Of(path_), kHello);
    EXPECT_EQ(hashes.reads(), 1);
    FileHashes next;
    EXPECT_EQ(*next.Of(path_), kHello);
    EXPECT_EQ(next.reads(), 0);
  }
}

TEST_F(FileHashesTest, AFileThatIsNotThere) {
  FileHashes hashes;
  EXPECT_EQ(hashes.Of(folder_ / "none").status().code(), absl::StatusCode::kNotFound);
  fs::remove(path_);
  hashes.Remember(path_, kHello);
  EXPECT_EQ(hashes.Of(path_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace reelsight::model_store
