// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/onnx_metadata.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::inference {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::string Field(int number, const std::string& bytes) {
  std::string field;
  for (uint64_t value : {static_cast<uint64_t>(number) << 3 | 2, static_cast<uint64_t>(bytes.size())}) {
    for (; value >= 0x80; value >>= 7) field += static_cast<char>(value | 0x80);
    field += static_cast<char>(value);
  }
  return field + bytes;
}

class OnnxMetadataTest : public ::testing::Test {
 protected:
  OnnxMetadataTest()
      : path_(std::filesystem::path(::testing::TempDir()) /
              (std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ".onnx")) {}
  ~OnnxMetadataTest() override { std::filesystem::remove(path_); }

  absl::StatusOr<ModelMetadata> Read(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return ReadOnnxMetadata(path_);
  }

  const std::filesystem::path path_;
};

// ir_version (varint), graph (a message with a name), a 32-bit and a 64-bit field of no schema, then the metadata.
const std::string& Model() {
  static const auto& model = *new std::string(
      std::string("\x08\x0A", 2) + Field(7, Field(2, std::string(130, 'g'))) + std::string("\x7D\x01\x02\x03\x04", 5) +
      std::string("\x79\x01\x02\x03\x04\x05\x06\x07\x08", 9) + Field(14, Field(1, "character") + Field(2, "!\n\"\n€")) +
      Field(14, Field(1, "empty") + Field(2, "")) + Field(14, Field(2, std::string(150, 'x')) + Field(1, "long")));
  return model;
}

TEST_F(OnnxMetadataTest, EntriesAreReadWhateverStandsBesideThem) {
  const auto metadata = Read(Model());
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  EXPECT_THAT(*metadata, UnorderedElementsAre(Pair("character", "!\n\"\n€"), Pair("empty", ""),
                                              Pair("long", std::string(150, 'x'))));
}

TEST_F(OnnxMetadataTest, ATruncatedFileIsAnErrorOrAShorterMessage) {
  // Cut between two fields it is a message; anywhere else it is none. Never a crash.
  int failures = 0;
  for (size_t length = 0; length < Model().size(); ++length) {
    const auto metadata = Read(Model().substr(0, length));
    if (metadata.ok()) continue;
    ++failures;
    EXPECT_EQ(metadata.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(metadata.status().message()), HasSubstr(path_.string()));
  }
  EXPECT_GE(failures, static_cast<int>(Model().size()) - 8);
}

TEST_F(OnnxMetadataTest, OtherFormatsHaveNone) {
  const auto metadata = ReadOnnxMetadata("/no/such/model.tflite");
  ASSERT_TRUE(metadata.ok());
  EXPECT_TRUE(metadata->empty());
}

TEST_F(OnnxMetadataTest, AMissingFileIsNamed) {
  const auto metadata = ReadOnnxMetadata("/no/such/model.onnx");
  EXPECT_EQ(metadata.status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace reelsight::inference
