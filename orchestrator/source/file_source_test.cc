// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/file_source.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

namespace fs = std::filesystem;

class FileSourceTest : public testing::Test {
 protected:
  FileSourceTest() {
    std::string pattern = (fs::temp_directory_path() / "file_source_test.XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    fs::create_directories(folder_ / "root/sub");
    fs::create_directories(folder_ / "rootless");
    Write("root/sub/clip.mp4", "0123456789");
    Write("rootless/secret.mp4", "secret");
    rules_.roots = {(folder_ / "root").string()};
  }
  ~FileSourceTest() override { fs::remove_all(folder_); }

  void Write(const fs::path& path, std::string_view text) { std::ofstream(folder_ / path) << text; }
  std::string Path(const fs::path& path) const { return (folder_ / path).string(); }
  absl::Status Try(const fs::path& path) const { return FileSource::Open(Path(path), rules_).status(); }

  fs::path folder_;
  FileSource::Rules rules_;
};

TEST_F(FileSourceTest, ReadsAtOffsets) {
  auto source = FileSource::Open(Path("root/sub/clip.mp4"), rules_);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->size_bytes(), 10);
  EXPECT_EQ((*source)->name(), Path("root/sub/clip.mp4"));
  uint8_t bytes[4];
  EXPECT_EQ(*(*source)->ReadAt(3, bytes, CancelToken()), 4u);
  EXPECT_EQ(std::string(bytes, bytes + 4), "3456");
  EXPECT_EQ(*(*source)->ReadAt(8, bytes, CancelToken()), 2u);
  EXPECT_EQ(*(*source)->ReadAt(10, bytes, CancelToken()), 0u);
  EXPECT_EQ((*source)->read_bytes(), 6);
  CancelToken cancel;
  cancel.Cancel();
  EXPECT_EQ((*source)->ReadAt(0, bytes, cancel).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(FileSourceTest, OnlyFilesBelowARootAreOpened) {
  EXPECT_TRUE(Try("root/sub/clip.mp4").ok());
  EXPECT_TRUE(Try("root//sub/./clip.mp4").ok());
  // A neighbour whose name begins like the root's is not below it.
  for (const char* path : {"rootless/secret.mp4", "root/../rootless/secret.mp4", "root/sub/../sub/clip.mp4"}) {
    const absl::Status status = Try(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << path << " " << status;
    EXPECT_EQ(GetReason(status), "SOURCE_FORBIDDEN");
  }
  // Whether a file outside exists stays unsaid.
  EXPECT_EQ(Try("rootless/nothing.mp4").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(FileSource::Open("root/sub/clip.mp4", rules_).status().code(), absl::StatusCode::kInvalidArgument);
  rules_.roots.clear();
  EXPECT_EQ(Try("root/sub/clip.mp4").code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FileSourceTest, LinksMayNotLeaveTheRoot) {
  fs::create_symlink("sub/clip.mp4", folder_ / "root/inside.mp4");
  fs::create_symlink("../rootless/secret.mp4", folder_ / "root/relative.mp4");
  fs::create_symlink(folder_ / "rootless/secret.mp4", folder_ / "root/absolute.mp4");
  fs::create_directory_symlink("../rootless", folder_ / "root/folder");
  fs::create_symlink("circle.mp4", folder_ / "root/circle.mp4");
  EXPECT_TRUE(Try("root/inside.mp4").ok()) << Try("root/inside.mp4");
  for (const char* path : {"root/relative.mp4", "root/absolute.mp4", "root/folder/secret.mp4", "root/circle.mp4"}) {
    EXPECT_EQ(Try(path).code(), absl::StatusCode::kPermissionDenied) << path << " " << Try(path);
  }
}

// Makes openat2 fail, as in sandboxes and kernels that lack it.
bool ForbidOpenat2() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {static_cast<unsigned short>(std::size(code)), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(FileSourceTest, WithoutOpenat2NoLinkIsFollowedAtAll) {
  fs::create_symlink("sub/clip.mp4", folder_ / "root/inside.mp4");
  fs::create_directory_symlink("../rootless", folder_ / "root/folder");
  EXPECT_EXIT(
      {
        if (!ForbidOpenat2()) _exit(10);
        if (!Try("root/sub/clip.mp4").ok()) _exit(11);
        if (Try("root/inside.mp4").code() != absl::StatusCode::kPermissionDenied) _exit(12);
        if (Try("root/folder/secret.mp4").ok()) _exit(13);
        if (Try("root/no.mp4").code() != absl::StatusCode::kNotFound) _exit(14);
        _exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(FileSourceTest, ARootMayItselfBeALink) {
  fs::create_directory_symlink("root", folder_ / "alias");
  rules_.roots = {(folder_ / "alias").string() + "/"};
  EXPECT_TRUE(Try("alias/sub/clip.mp4").ok()) << Try("alias/sub/clip.mp4");
}

TEST_F(FileSourceTest, FifosDevicesAndFoldersAreRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(Path("root/pipe.mp4").c_str(), 0600), 0);
  EXPECT_EQ(Try("root/pipe.mp4").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Try("root/sub").code(), absl::StatusCode::kInvalidArgument);
  rules_.allow_any_file = true;
  EXPECT_EQ(FileSource::Open("/dev/zero", rules_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Try("root/pipe.mp4").code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileSourceTest, ErrorsNameTheFile) {
  EXPECT_EQ(Try("root/no.mp4").code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Try("root/no.mp4").message().find(Path("root/no.mp4")), absl::string_view::npos);
  EXPECT_EQ(GetReason(Try("root/no.mp4")), "SOURCE_NOT_FOUND");
  Write("root/empty.mp4", "");
  EXPECT_EQ(GetReason(Try("root/empty.mp4")), "SOURCE_EMPTY");
  rules_.max_bytes = 9;
  EXPECT_EQ(GetReason(Try("root/sub/clip.mp4")), "SOURCE_TOO_LARGE");
  EXPECT_EQ(Try("root/sub/clip.mp4").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(FileSource::Open(std::string("/x\0y", 4), rules_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileSourceTest, UnreadableFileIsForbidden) {
  fs::permissions(folder_ / "root/sub/clip.mp4", fs::perms::none);
  // Root may read every file, so another user tries.
  const bool root = geteuid() == 0;
  ASSERT_EQ(root ? seteuid(65534) : 0, 0);
  const absl::Status status = Try("root/sub/clip.mp4");
  ASSERT_EQ(root ? seteuid(0) : 0, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST_F(FileSourceTest, AnyFileMayBeOpenedWhereThatIsAllowed) {
  rules_.roots.clear();
  rules_.allow_any_file = true;
  EXPECT_TRUE(Try("rootless/secret.mp4").ok());
  EXPECT_TRUE(Try("root/../rootless/secret.mp4").ok());
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  EXPECT_TRUE(FileSource::Open("rootless/secret.mp4", rules_).ok());
  fs::current_path(before);
}

}  // namespace
}  // namespace reelsight::orchestrator
