// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/upload_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "orchestrator/source/source_opener.h"
#include "shared/base/status.h"
#include "shared/testing/wait.h"

namespace reelsight::orchestrator {
namespace {

namespace fs = std::filesystem;

// printf 0123456789 | sha256sum
constexpr char kDigitsSha256[] = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
constexpr int64_t kMinCharge = 64 << 10;

class UploadStoreTest : public ::testing::Test {
 protected:
  UploadStoreTest() {
    options_.sweep_interval = absl::ZeroDuration();
    options_.expiry = absl::Hours(1);
    options_.now = [this] { return now_; };
  }
  void Make() {
    store_.reset();
    auto store = UploadStore::Create(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  absl::StatusOr<UploadStore::State> Upload(const UploadStore::OpenRequest& request, std::string_view data) {
    ASSIGN_OR_RETURN(auto writer, store_->Open(request));
    RETURN_IF_ERROR(writer->Append(data));
    return writer->Finish();
  }

  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
  UploadStore::Options options_;
  std::unique_ptr<UploadStore> store_;
};

TEST_F(UploadStoreTest, UploadInPiecesIsReadById) {
  Make();
  auto writer = store_->Open({.total_bytes = 10, .sha256 = kDigitsSha256});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Append("01234").ok());
  ASSERT_TRUE((*writer)->Append("").ok());
  ASSERT_TRUE((*writer)->Append("56789").ok());
  auto state = (*writer)->Finish();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(state->complete);
  EXPECT_EQ(state->committed_bytes, 10);
  EXPECT_EQ(state->expires_in, absl::Hours(1));
  EXPECT_TRUE((*writer)->Finish().ok());

  auto opener = SourceOpener::Create({}, {}, store_.get());
  auto request = std::make_shared<v1::AnalyzeRequest>();
  request->set_upload_id(state->upload_id);
  auto source = (*opener)->Open(request, CancelToken());
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->size_bytes(), 10);
  uint8_t bytes[4];
  EXPECT_EQ(*(*source)->ReadAt(6, bytes, CancelToken()), 4u);
  EXPECT_EQ(std::string(bytes, bytes + 4), "6789");
}

TEST_F(UploadStoreTest, WrongHashDeletesTheUpload) {
  Make();
  auto writer = store_->Open({.sha256 = kDigitsSha256});
  ASSERT_TRUE((*writer)->Append("0123456780").ok());
  const std::string id = (*writer)->state().upload_id;
  const absl::Status status = (*writer)->Finish().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetReason(status), "UPLOAD_HASH_MISMATCH");
  writer->reset();
  EXPECT_EQ(store_->Query(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->used_bytes(), 0);
  EXPECT_TRUE(fs::is_empty(store_->directory()));
}

TEST_F(UploadStoreTest, BrokenUploadIsResumedAtTheCommittedSize) {
  Make();
  auto writer = store_->Open({.total_bytes = 10, .sha256 = kDigitsSha256});
  ASSERT_TRUE((*writer)->Append("0123").ok());
  const std::string id = (*writer)->state().upload_id;
  const absl::Status early = (*writer)->Finish().status();
  EXPECT_EQ(GetReason(early), "UPLOAD_INCOMPLETE");
  EXPECT_EQ(GetMetadata(early, "committed_bytes"), "4");
  EXPECT_EQ(store_->OpenSource(id).status().code(), absl::StatusCode::kFailedPrecondition);
  const absl::Status busy = store_->Open({.upload_id = id, .offset = 4}).status();
  EXPECT_EQ(busy.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(GetReason(busy), "UPLOAD_BUSY");
  EXPECT_EQ(GetMetadata(busy, "upload_id"), id);
  writer->reset();

  EXPECT_EQ(store_->Query(id)->committed_bytes, 4);
  for (const int64_t offset : {0, 3, 5}) {
    const absl::Status status = store_->Open({.upload_id = id, .offset = offset}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetReason(status), "UPLOAD_OFFSET_MISMATCH");
    EXPECT_EQ(GetMetadata(status, "committed_bytes"), "4");
  }
  EXPECT_EQ(GetMetadata(store_->Open({.upload_id = id, .total_bytes = 11, .offset = 4}).status(), "field"),
            "open.total_bytes");
  EXPECT_EQ(GetMetadata(store_->Open({.upload_id = id, .sha256 = std::string(64, '0'), .offset = 4}).status(), "field"),
            "open.sha256");
  auto state = Upload({.upload_id = id, .offset = 4}, "456789");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(state->complete);
  // The answer to the last call was lost: the client resumes at the end and finishes again.
  state = Upload({.upload_id = id, .offset = 10}, "");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(Upload({.upload_id = id, .offset = 10}, "x").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(UploadStoreTest, BadRequestsAreRefused) {
  options_.max_upload_bytes = 100;
  Make();
  EXPECT_EQ(GetMetadata(store_->Open({.sha256 = "abc"}).status(), "field"), "open.sha256");
  EXPECT_EQ(GetMetadata(store_->Open({.total_bytes = -1}).status(), "field"), "open.total_bytes");
  EXPECT_EQ(GetReason(store_->Open({.offset = 1}).status()), "UPLOAD_OFFSET_MISMATCH");
  EXPECT_EQ(GetReason(store_->Open({.total_bytes = 101}).status()), "SOURCE_TOO_LARGE");
  EXPECT_EQ(store_->Open({.upload_id = "../../etc/passwd"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Query(std::string(32, 'a')).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetReason(Upload({}, "").status()), "SOURCE_EMPTY");
  EXPECT_EQ(GetReason(Upload({}, std::string(101, 'x')).status()), "SOURCE_TOO_LARGE");
  EXPECT_EQ(Upload({.total_bytes = 3}, "1234").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(UploadStoreTest, QuotaCountsWhatCameAndNoPromise) {
  options_.quota_bytes = 10 * kMinCharge;
  Make();
  std::vector<std::unique_ptr<UploadStore::Writer>> promises;
  for (int i = 0; i < 3; ++i) {
    auto promise = store_->Open({.total_bytes = 10 * kMinCharge});
    ASSERT_TRUE(promise.ok()) << promise.status();
    promises.push_back(*std::move(promise));
  }
  // Empty ones count too, but little.
  EXPECT_EQ(store_->used_bytes(), 3 * kMinCharge);
  auto fourth = store_->Open({.total_bytes = 7 * kMinCharge});
  ASSERT_TRUE(fourth.ok()) << fourth.status();
  EXPECT_TRUE((*fourth)->Append(std::string(7 * kMinCharge, 'x')).ok());
  EXPECT_TRUE((*fourth)->Finish().ok());
  EXPECT_EQ(store_->used_bytes(), 10 * kMinCharge);
  // Those who come later hear of it when their bytes come, and keep what they have.
  EXPECT_TRUE(promises[0]->Append(std::string(kMinCharge, 'x')).ok());
  const absl::Status full = promises[0]->Append("x");
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(full), "UPLOAD_QUOTA");
  EXPECT_GT(GetRetryDelay(full), absl::ZeroDuration());
  EXPECT_EQ(promises[0]->state().committed_bytes, kMinCharge);
  EXPECT_EQ(store_->Open({}).status().code(), absl::StatusCode::kResourceExhausted);
  // One that could never fit is told at once; trying again would not help.
  const absl::Status never = store_->Open({.total_bytes = 10 * kMinCharge + 1}).status();
  EXPECT_EQ(GetReason(never), "UPLOAD_QUOTA");
  EXPECT_EQ(GetRetryDelay(never), absl::ZeroDuration());
}

TEST_F(UploadStoreTest, APromiseGivenWhenResumingTakesNothingEither) {
  options_.quota_bytes = 4 * kMinCharge;
  Make();
  const std::string id = (*store_->Open({}))->state().upload_id;
  auto resumed = store_->Open({.upload_id = id, .total_bytes = 4 * kMinCharge});
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(store_->used_bytes(), kMinCharge);
  EXPECT_TRUE(Upload({}, std::string(3 * kMinCharge, 'x')).ok());
}

TEST_F(UploadStoreTest, ResumingReadsNothingAgain) {
  Make();
  auto writer = store_->Open({.total_bytes = 10, .sha256 = kDigitsSha256});
  ASSERT_TRUE((*writer)->Append("01234").ok());
  const std::string id = (*writer)->state().upload_id;
  writer->reset();
  // What was hashed as it was written is not looked at again, or the hash would be another.
  std::ofstream(store_->directory() + "/" + id + ".data") << "xxxxx";
  writer = store_->Open({.upload_id = id, .offset = 5});
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_TRUE(*(*writer)->HashMore(1));
  ASSERT_TRUE((*writer)->Append("56789").ok());
  EXPECT_TRUE((*writer)->Finish().ok());
}

TEST_F(UploadStoreTest, WhatAnEarlierProcessWroteIsHashedInPieces) {
  std::string pattern = (fs::temp_directory_path() / "upload_store_test.XXXXXX").string();
  options_.directory = mkdtemp(pattern.data());
  Make();
  const std::string id = [&] {
    auto writer = *store_->Open({.total_bytes = 10, .sha256 = kDigitsSha256});
    EXPECT_TRUE(writer->Append("01234").ok());
    return writer->state().upload_id;
  }();
  Make();
  auto writer = store_->Open({.upload_id = id, .offset = 5});
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_FALSE(*(*writer)->HashMore(2));
  // What one writer has hashed the next need not.
  writer->reset();
  writer = store_->Open({.upload_id = id, .offset = 5});
  EXPECT_FALSE(*(*writer)->HashMore(2));
  EXPECT_TRUE(*(*writer)->HashMore(2));
  ASSERT_TRUE((*writer)->Append("56789").ok());
  EXPECT_TRUE((*writer)->Finish().ok());
  writer->reset();

  // A writer that does not wait for that has it done at the end.
  const std::string other = [&] {
    auto begun = *store_->Open({.total_bytes = 10, .sha256 = kDigitsSha256});
    EXPECT_TRUE(begun->Append("01234").ok());
    return begun->state().upload_id;
  }();
  Make();
  EXPECT_TRUE(Upload({.upload_id = other, .offset = 5}, "56789").ok());
  // Where no hash is checked, none is made.
  const std::string unchecked = [&] {
    auto begun = *store_->Open({});
    EXPECT_TRUE(begun->Append("01234").ok());
    return begun->state().upload_id;
  }();
  Make();
  writer = store_->Open({.upload_id = unchecked, .offset = 5});
  EXPECT_TRUE(*(*writer)->HashMore(1));
  writer->reset();
  store_.reset();
  fs::remove_all(options_.directory);
}

TEST_F(UploadStoreTest, ExpiredUploadsMakeRoom) {
  options_.quota_bytes = 2 * kMinCharge;
  Make();
  auto first = Upload({}, "0123456789");
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(Upload({}, "0123456789").ok());
  EXPECT_EQ(Upload({}, "0123456789").status().code(), absl::StatusCode::kResourceExhausted);
  now_ += std::chrono::minutes(59);
  EXPECT_EQ(store_->RemoveExpired(), 0);
  { auto used = store_->OpenSource(first->upload_id); }
  now_ += std::chrono::minutes(1);
  EXPECT_TRUE(Upload({}, "0123456789").ok());
  EXPECT_TRUE(store_->Query(first->upload_id).ok());
  now_ += std::chrono::hours(2);
  EXPECT_EQ(store_->Query(first->upload_id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->OpenSource(first->upload_id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->RemoveExpired(), 2);
  EXPECT_EQ(store_->used_bytes(), 0);
  EXPECT_TRUE(fs::is_empty(store_->directory()));
}

TEST_F(UploadStoreTest, UploadsInUseDoNotExpire) {
  Make();
  auto state = Upload({}, "0123456789");
  auto source = store_->OpenSource(state->upload_id);
  auto writer = store_->Open({});
  now_ += std::chrono::hours(10);
  EXPECT_EQ(store_->RemoveExpired(), 0);
  EXPECT_TRUE((*writer)->Append("x").ok());
  uint8_t bytes[10];
  EXPECT_EQ(*(*source)->ReadAt(0, bytes, CancelToken()), 10u);
  source->reset();
  writer->reset();
  // The end of the use starts the time anew.
  EXPECT_EQ(store_->RemoveExpired(), 0);
  now_ += std::chrono::hours(1);
  EXPECT_EQ(store_->RemoveExpired(), 2);
}

TEST_F(UploadStoreTest, SweeperRemovesInTheBackground) {
  options_.sweep_interval = absl::Milliseconds(5);
  std::atomic<int64_t> offset_hours = 0;
  options_.now = [&, start = now_] { return start + std::chrono::hours(offset_hours.load()); };
  Make();
  ASSERT_TRUE(Upload({}, "0123456789").ok());
  offset_hours = 2;
  EXPECT_TRUE(testing::WaitUntil([&] { return store_->count() == 0; }));
  store_.reset();
}

TEST_F(UploadStoreTest, FolderOfOurOwnIsMadeForTheFirstUploadAndRemovedAtTheEnd) {
  Make();
  // A program that takes no upload leaves nothing behind, however it ends.
  EXPECT_EQ(store_->directory(), "");
  ASSERT_TRUE(Upload({}, "0123456789").ok());
  const std::string directory = store_->directory();
  EXPECT_EQ(fs::status(directory).permissions(), fs::perms::owner_all);
  store_.reset();
  EXPECT_FALSE(fs::exists(directory));
}

TEST_F(UploadStoreTest, NamedFolderKeepsUploadsOverARestart) {
  std::string pattern = (fs::temp_directory_path() / "upload_store_test.XXXXXX").string();
  options_.directory = mkdtemp(pattern.data());
  Make();
  EXPECT_EQ(UploadStore::Create(options_).status().code(), absl::StatusCode::kFailedPrecondition);
  auto whole = Upload({}, "0123456789");
  auto writer = store_->Open({.total_bytes = 10, .sha256 = kDigitsSha256});
  ASSERT_TRUE((*writer)->Append("0123").ok());
  const std::string id = (*writer)->state().upload_id;
  writer->reset();
  Make();
  EXPECT_EQ(store_->count(), 2);
  EXPECT_TRUE(store_->OpenSource(whole->upload_id).ok());
  EXPECT_EQ(store_->Query(id)->committed_bytes, 4);
  EXPECT_EQ(GetReason(Upload({.upload_id = id, .offset = 4}, "45678x").status()), "UPLOAD_HASH_MISMATCH");
  // Of what happened before, only the files' times tell. A clock that was set back since makes nothing live longer.
  for (const auto& entry : fs::directory_iterator(options_.directory)) {
    fs::last_write_time(entry, fs::file_time_type::clock::now() + std::chrono::hours(1000));
  }
  Make();
  EXPECT_EQ(store_->Query(whole->upload_id)->expires_in, absl::Hours(1));
  for (const auto& entry : fs::directory_iterator(options_.directory)) {
    fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(2));
  }
  Make();
  EXPECT_EQ(store_->count(), 0);
  store_.reset();
  EXPECT_TRUE(fs::is_empty(options_.directory));
  fs::remove_all(options_.directory);
}

TEST_F(UploadStoreTest, IdsCannotBeGuessed) {
  Make();
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    const std::string id = (*store_->Open({}))->state().upload_id;
    EXPECT_EQ(id.size(), 32u);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 100u);
}

}  // namespace
}  // namespace reelsight::orchestrator
