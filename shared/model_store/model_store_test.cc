// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/model_store.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::model_store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// SHA-256 of `hello`.
constexpr char kHelloSha256[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

std::string Entry(const std::string& name, const std::string& more = "") {
  return absl::StrCat("models { name: '", name,
                      "' version: '1' task: 'object_detection' files { name: 'hello.onnx' sha256: '", kHelloSha256,
                      "' size_bytes: 5 path: 'hello.onnx' } ", more, " }\n");
}

ModelStore StoreIn(const std::string& directory, const std::string& text) {
  const auto catalog = ModelCatalog::Parse(text, "test");
  EXPECT_TRUE(catalog.ok()) << catalog.status();
  return ModelStore(*catalog, directory);
}

void Write(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << content;
}

TEST(ModelCatalogTest, TheBuiltInOneIsValid) {
  const auto catalog = ModelCatalog::Load({});
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  ASSERT_NE(catalog->DefaultFor("object_detection", ""), nullptr);
  for (const auto& [name, entry] : catalog->models()) {
    EXPECT_FALSE(entry.license().empty()) << name;
    EXPECT_FALSE(entry.family().empty()) << name;
    EXPECT_FALSE(entry.description().empty()) << name;
  }
}

// They are those of the system that this one was made after; other sizes are learnt from.
TEST(ModelCatalogTest, FirstBatchesOfTheBuiltInModelsFollowTheirTask) {
  const std::map<std::string, int> by_task = {{"object_detection", 64},       {"body_pose", 16},
                                              {"eye_tracking", 16},           {"text_overlay", 16},
                                              {"background_segmentation", 8}, {"cut_analysis", 32}};
  const auto catalog = ModelCatalog::Load({});
  for (const auto& [name, entry] : catalog->models()) EXPECT_EQ(entry.start_batch(), by_task.at(entry.task())) << name;
}

TEST(ModelCatalogTest, OwnEntriesOverrideAndErrorsHaveAPlace) {
  const testing::ScratchFolder folder;
  const std::string file = folder / "mine.textproto";
  // Neither the order of names nor the family decides which one is the default.
  Write(file, absl::StrCat(Entry("zebra_yolo", "family: 'yolov8_detect' default_for_task: true")));
  const auto catalog = ModelCatalog::Load({file});
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->DefaultFor("object_detection", "")->name(), "zebra_yolo");
  EXPECT_EQ(catalog->Find("zebra_yolo")->files(0).path(), folder / "hello.onnx");
  EXPECT_TRUE(catalog->Find("movenet_multipose")->default_for_task());
  Write(file, "models {\n  nmae: 'x'\n}\n");
  EXPECT_THAT(std::string(ModelCatalog::Load({file}).status().message()), HasSubstr(absl::StrCat(file, ":2:")));
}

TEST(ModelCatalogTest, ADefaultReplacesItsOwnRoleOnly) {
  const testing::ScratchFolder folder;
  const std::string file = folder / "mine.textproto";
  const auto of_own_task = [](std::string entry) {
    return absl::StrReplaceAll(entry, {{"object_detection", "my_task"}});
  };
  Write(file, of_own_task(absl::StrCat(Entry("a", "default_for_task: true role: 'finder'"),
                                       Entry("b", "default_for_task: true"),
                                       Entry("c", "default_for_task: true role: 'finder'"))));
  const auto catalog = ModelCatalog::Load({file});
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->DefaultFor("my_task", "finder")->name(), "c");
  EXPECT_EQ(catalog->DefaultFor("my_task", "")->name(), "b");
  EXPECT_EQ(catalog->DefaultFor("my_task", "reader"), nullptr);
  EXPECT_FALSE(catalog->Find("a")->default_for_task());
  EXPECT_TRUE(catalog->Find("b")->default_for_task());
  EXPECT_TRUE(catalog->Find("c")->default_for_task());
}

TEST(ModelCatalogTest, ADefaultThatNobodyWouldUseIsRefused) {
  const testing::ScratchFolder folder;
  const std::string file = folder / "mine.textproto";
  const auto error = [&](const std::string& text) {
    Write(file, text);
    return std::string(ModelCatalog::Load({file}).status().message());
  };
  EXPECT_THAT(error(Entry("a", "default_for_task: true role: 'finder'")), HasSubstr("leave the role out"));
  const std::string text =
      absl::StrReplaceAll(Entry("a", "default_for_task: true"), {{"object_detection", "text_overlay"}});
  EXPECT_THAT(error(text), HasSubstr("model a: role: `` is no role of text_overlay; there are classifier, detector, "
                                     "recognizer"));
  EXPECT_EQ(error(Entry("a", "role: 'finder'")), "");
}

TEST(ModelCatalogTest, BadEntriesAreRefused) {
  const auto error = [](const std::string& text) {
    return std::string(ModelCatalog::Parse(text, "test").status().message());
  };
  EXPECT_THAT(error(Entry("../escape")), HasSubstr("must be lower case"));
  EXPECT_THAT(error("models { name: 'x' version: '1' }"), HasSubstr("at least one file"));
  EXPECT_THAT(error("models { name: 'x' version: '../1' files { name: 'a' } }"), HasSubstr("version"));
  EXPECT_THAT(error("models { name: 'x' version: '1' files { name: '../a' } }"), HasSubstr("no file name"));
  EXPECT_THAT(error("models { name: 'x' version: '1' files { name: 'a' sha256: 'short' } }"), HasSubstr("hexadecimal"));
  EXPECT_THAT(error(Entry("x") + Entry("x")), HasSubstr("is there twice"));
  EXPECT_THAT(error(Entry("x", "start_batch: 2000")), HasSubstr("start_batch: must be 1 to 1024"));
  EXPECT_THAT(error(Entry("x", "folder: true converter { kind: 'tfjs' output: 'x.onnx' }")), HasSubstr("folder"));
}

TEST(ModelStoreTest, MissingModelsSayTheCommand) {
  const testing::ScratchFolder folder;
  const std::string& directory = folder.path();
  const ModelStore store = StoreIn(directory, Entry("x"));
  const absl::Status missing = store.Installed("x").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(missing), "WEIGHTS_MISSING");
  EXPECT_THAT(std::string(missing.message()), HasSubstr("reelsight models pull x"));
  EXPECT_THAT(std::string(store.Installed("y").status().message()), HasSubstr("it has x"));
  // Half a file is no file.
  Write(directory + "/x/1/hello.onnx", "hel");
  EXPECT_FALSE(store.Installed("x").ok());
  Write(directory + "/x/1/hello.onnx", "hello");
  EXPECT_EQ(*store.Installed("x"), directory + "/x/1/hello.onnx");
}

TEST(ModelStoreTest, VerifyFindsAChangedFile) {
  const testing::ScratchFolder folder;
  const std::string& directory = folder.path();
  const ModelStore store = StoreIn(directory, Entry("x"));
  Write(directory + "/x/1/hello.onnx", "hello");
  EXPECT_TRUE(store.Verify("x").ok()) << store.Verify("x");
  Write(directory + "/x/1/hello.onnx", "hellx");
  EXPECT_EQ(store.Verify("x").code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(store.Verify("x").message()), HasSubstr("hello.onnx"));
}

TEST(ModelStoreTest, CheckReadsWhatChangedAndSaysWhatMendsIt) {
  const testing::ScratchFolder folder;
  const std::string& directory = folder.path();
  const ModelStore store = StoreIn(directory, Entry("x"));
  Write(directory + "/x/1/hello.onnx", "hello");
  for (int turn = 0; turn < 3; ++turn) EXPECT_TRUE(store.Check("x").ok()) << store.Check("x");
  EXPECT_EQ(store.hashes().reads(), 1);
  // Verify does not believe what is remembered.
  EXPECT_TRUE(store.Verify("x").ok());
  EXPECT_EQ(store.hashes().reads(), 2);
  std::filesystem::remove(directory + "/x/1/hello.onnx");
  Write(directory + "/x/1/hello.onnx", "hellx");
  const absl::Status changed = store.Check("x");
  EXPECT_EQ(changed.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetReason(changed), "MODEL_CORRUPT");
  EXPECT_THAT(std::string(changed.message()),
              AllOf(HasSubstr("/x/1/hello.onnx has SHA-256"), HasSubstr("reelsight models pull x --force")));
  EXPECT_FALSE(store.Check("x").ok());
  EXPECT_EQ(store.hashes().reads(), 3);
  EXPECT_EQ(GetReason(StoreIn(directory, Entry("y")).Check("y")), "WEIGHTS_MISSING");
}

TEST(ModelStoreTest, AModelOfSeveralFilesIsTheirFolderOnceAllAreThere) {
  const testing::ScratchFolder folder;
  const std::string& directory = folder.path();
  const std::string second = absl::StrCat("files { name: 'tokenizer.json' sha256: '", kHelloSha256,
                                          "' size_bytes: 5 path: 'tokenizer.json' } ");
  const ModelStore store = StoreIn(directory, Entry("x", second + "folder: true") + Entry("y", second));
  for (const char* model : {"x", "y"}) {
    Write(absl::StrCat(directory, "/", model, "/1/hello.onnx"), "hello");
    EXPECT_FALSE(store.Installed(model).ok());
    Write(absl::StrCat(directory, "/", model, "/1/tokenizer.json"), "hello");
  }
  EXPECT_EQ(*store.Installed("x"), directory + "/x/1");
  EXPECT_TRUE(store.Verify("x").ok());
  // Of one that is a file the others are company.
  EXPECT_EQ(*store.Installed("y"), directory + "/y/1/hello.onnx");
  Write(directory + "/x/1/tokenizer.json", "hellx");
  EXPECT_THAT(std::string(store.Verify("x").message()), HasSubstr("tokenizer.json"));
}

TEST(ModelStoreTest, AConvertedModelIsThereOnceItsHashIs) {
  const testing::ScratchFolder folder;
  const std::string& directory = folder.path();
  const ModelStore store = StoreIn(directory, Entry("x", "converter { kind: 'tfjs' output: 'x.onnx' }"));
  Write(directory + "/x/1/x.onnx", "hello");
  EXPECT_FALSE(store.Installed("x").ok());
  Write(directory + "/x/1/x.onnx.sha256", absl::StrCat(kHelloSha256, "\n"));
  EXPECT_EQ(*store.Installed("x"), directory + "/x/1/x.onnx");
  EXPECT_TRUE(store.Verify("x").ok());
}

}  // namespace
}  // namespace reelsight::model_store
