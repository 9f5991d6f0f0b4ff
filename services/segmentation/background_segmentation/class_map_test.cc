// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/class_map.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/segmentation/background_segmentation/segmenter.h"
#include "shared/inference/model_runtime.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::background_segmentation {
namespace {

using analysis::ImageSize;
using inference::DType;
using inference::Tensor;

double ShareEqual(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  int64_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

// Every class of every pixel interpolated, as torch.nn.functional.interpolate does with align_corners=False.
std::vector<uint8_t> PlainArgmax(const Tensor& logits, ImageSize size) {
  const int64_t classes = logits.shape()[1], height = logits.shape()[2], width = logits.shape()[3];
  const auto at = [&](int64_t c, int64_t y, int64_t x) {
    y = std::min(y, height - 1);
    x = std::min(x, width - 1);
    return logits.values<float>()[(c * height + y) * width + x];
  };
  std::vector<uint8_t> out;
  for (int v = 0; v < size.height_px; ++v) {
    for (int u = 0; u < size.width_px; ++u) {
      const double y = std::max(0.0, (v + 0.5) * static_cast<double>(height) / size.height_px - 0.5);
      const double x = std::max(0.0, (u + 0.5) * static_cast<double>(width) / size.width_px - 0.5);
      const auto y0 = static_cast<int64_t>(y), x0 = static_cast<int64_t>(x);
      const double b = y - static_cast<double>(y0), a = x - static_cast<double>(x0);
      int64_t best = 0;
      double most = -1e30;
      for (int64_t c = 0; c < classes; ++c) {
        const double value = (1 - b) * ((1 - a) * at(c, y0, x0) + a * at(c, y0, x0 + 1)) +
                             b * ((1 - a) * at(c, y0 + 1, x0) + a * at(c, y0 + 1, x0 + 1));
        if (value > most) {
          most = value;
          best = c;
        }
      }
      out.push_back(static_cast<uint8_t>(best));
    }
  }
  return out;
}

TEST(ClassMapTest, EnlargedArgmaxIsThatOfEveryLogitEnlarged) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (const ImageSize size : {ImageSize{1, 1}, ImageSize{61, 33}, ImageSize{5, 90}, ImageSize{16, 12}}) {
    Tensor logits(DType::kFloat32, {1, 7, 12, 16});
    for (float& value : logits.mutable_values<float>()) value = normal(random);
    const ClassMap map = EnlargedArgmax(logits, size);
    ASSERT_EQ(map.classes.size(), static_cast<size_t>(size.width_px) * size.height_px);
    // Ties within rounding may go the other way.
    EXPECT_GE(ShareEqual(map.classes, PlainArgmax(logits, size)), 0.999);
  }
}

// The picture of testdata/make_segformer_golden.py.
std::shared_ptr<analysis::Image> GoldenPicture() {
  constexpr ImageSize kSize = {96, 64};
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kRgb24, kSize);
  uint8_t* pixel = image->mutable_plane(0);
  for (int y = 0; y < kSize.height_px; ++y) {
    for (int x = 0; x < kSize.width_px; ++x) {
      for (int c = 0; c < 3; ++c) {
        *pixel++ = static_cast<uint8_t>(x * (2 + c) + y * (3 - c) + 40 * ((x / 24 + y / 16) % 3));
      }
    }
  }
  return image;
}

TEST(SegmenterTest, SegFormerEqualsThePublishedImplementation) {
  const char* const root = std::getenv("REELSIGHT_SOURCE_DIR");
  const std::string folder =
      absl::StrCat(root == nullptr ? "." : root, "/services/segmentation/background_segmentation/testdata");
  const auto catalog = model_store::ModelCatalog::Parse(
      R"pb(models {
             name: "tiny_segformer"
             version: "1"
             task: "background_segmentation"
             license: "Apache-2.0"
             files {
               name: "tiny_segformer.onnx"
               sha256: "6d66fe4e2ce7e87790d678b8d4c838f12df4a4eb5133f8e2c5eae7f92462b028"
               size_bytes: 288707
               path: "tiny_segformer.onnx"
             }
             family: "segformer"
             input { width_px: 64 height_px: 64 }
           })pb",
      "test");
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  // A store of its own: the engine keeps compiled models beside what it loads.
  const testing::ScratchFolder scratch;
  const std::string& directory = scratch.path();
  std::filesystem::copy(absl::StrCat(folder, "/tiny_segformer"), absl::StrCat(directory, "/tiny_segformer"),
                        std::filesystem::copy_options::recursive);
  const model_store::ModelStore store(*catalog, directory);
  const auto runtime = inference::ModelRuntime::Create(store, {.half_precision = false}, nullptr);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const auto model = (*runtime)->Acquire("tiny_segformer", CancelToken());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto segmenter = Segmenter::Create(**model);
  ASSERT_TRUE(segmenter.ok()) << segmenter.status();
  const auto image = GoldenPicture();
  auto sample = segmenter->MakeSample(*image);
  ASSERT_TRUE(sample.ok()) << sample.status();
  const auto outputs = (*model)->Run("test", {*sample}, CancelToken());
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  const auto read = segmenter->Read((*outputs)[0], image->size());
  ASSERT_TRUE(read.ok()) << read.status();

  std::ifstream file(absl::StrCat(folder, "/segformer_golden.bin"), std::ios::binary);
  const std::vector<uint8_t> golden{std::istreambuf_iterator<char>(file), {}};
  ASSERT_EQ(golden.size(), read->classes->classes.size());
  EXPECT_GE(ShareEqual(read->classes->classes, golden), 0.999);
  // The fast way differs in 18% of the pixels here. Real maps are far less ragged than one of random weights.
  const double fast = ShareEqual(SmallArgmax((*outputs)[0][0], image->size()).classes, golden);
  RecordProperty("small_argmax_equal", std::to_string(fast));
  EXPECT_GE(fast, 0.75);
  EXPECT_LT(fast, 1);
}

}  // namespace
}  // namespace reelsight::background_segmentation
