// SPDX-License-Identifier: Apache-2.0
//
// The LibTorch engine through the plug-in, as programs use it.
#include "shared/inference/torch/torch_engine.h"

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/inference/engine_factory.h"
#include "shared/inference/torch/onnx_graph_test_support.h"
#include "shared/inference/torch/operator_parity_test_support.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::inference {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Engine>> Load(const std::string& path, const EngineOptions& options = {}) {
  return LoadEngine(EngineKind::kLibTorch, path, options);
}

class TorchEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EngineAvailable(EngineKind::kLibTorch); !status.ok()) GTEST_SKIP() << status;
    std::cout << "seed " << seed_ << "\n";
  }

  // y = 2 x + 1, all sides open.
  std::string SavedLine() {
    TestGraph graph;
    const std::string x = graph.Input(Floats({0, 0, 0}).Reshaped({1, 3}), true);
    graph.Output(graph.Add("Add", {graph.Add("Mul", {x, graph.Constant(Floats({2}))}), graph.Constant(Floats({1}))}));
    return graph.Save(folder_ / "line.onnx");
  }

  const unsigned seed_ = std::random_device()();
  Random random_{seed_};
  const testing::ScratchFolder folder_;
};

TEST_F(TorchEngineTest, RunsAnyShapeAndLeavesInputsAlone) {
  const auto engine = Load(SavedLine());
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->name(), "libtorch");
  EXPECT_EQ((*engine)->precision(), Precision::kFloat32);
  EXPECT_EQ((*engine)->inputs()[0].shape, (Shape{-1, -1}));
  // More shapes than plans are kept.
  for (int64_t batch = 1; batch < 20; ++batch) {
    const Tensor x = RandomFloats(random_, {batch, 3}, 4, 6);
    const std::vector<float> before(x.values<float>().begin(), x.values<float>().end());
    const auto outputs = (*engine)->Run(std::vector<Tensor>{x});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ASSERT_EQ((*outputs)[0].shape(), (Shape{batch, 3}));
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_FLOAT_EQ((*outputs)[0].values<float>()[i], 2 * before[i] + 1);
      EXPECT_EQ(x.values<float>()[i], before[i]);
    }
  }
}

TEST_F(TorchEngineTest, FixedBatchIsKept) {
  const auto engine = Load(SavedLine(), {.batch = 4});
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->inputs()[0].shape, (Shape{4, -1}));
  const auto outputs = (*engine)->Run(std::vector<Tensor>{RandomFloats(random_, {3, 3})});
  EXPECT_EQ(outputs.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TorchEngineTest, WrongInputsAreNamedAndLeaveItUsable) {
  const auto engine = Load(SavedLine());
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->Run({}).status().code(), absl::StatusCode::kInvalidArgument);
  const auto rank = (*engine)->Run(std::vector<Tensor>{RandomFloats(random_, {3})});
  EXPECT_EQ(rank.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(rank.status().message()), HasSubstr("input0"));
  EXPECT_FALSE((*engine)->Run(std::vector<Tensor>{RandomInts(random_, {1, 3}, 0, 2)}).ok());
  EXPECT_TRUE((*engine)->Run(std::vector<Tensor>{RandomFloats(random_, {1, 3})}).ok());
}

TEST_F(TorchEngineTest, ShapesThatDoNotFitTogetherNameTheNode) {
  TestGraph graph;
  const std::string a = graph.Input(RandomFloats(random_, {2, 3}), true);
  const std::string b = graph.Input(RandomFloats(random_, {3, 2}), true);
  graph.Output(graph.Add("MatMul", {a, b}));
  const auto engine = Load(graph.Save(folder_ / "product.onnx"));
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_TRUE((*engine)->Run(graph.inputs()).ok());
  const auto wrong = (*engine)->Run(std::vector<Tensor>{RandomFloats(random_, {2, 3}), RandomFloats(random_, {4, 2})});
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("(MatMul)"));
  EXPECT_TRUE((*engine)->Run(graph.inputs()).ok());
}

TEST_F(TorchEngineTest, UnknownOperatorsAreRefusedAtLoad) {
  for (const char* domain : {"", "com.example"}) {
    TestGraph graph;
    const std::string x = graph.Input(RandomFloats(random_, {2, 3}));
    graph.Output(graph.Node("Frobnicate", {graph.Add("Relu", {x})}, {}, 1, domain)[0]);
    const std::string path = graph.Save(folder_ / "unknown.onnx");
    const auto engine = Load(path);
    EXPECT_EQ(engine.status().code(), absl::StatusCode::kUnimplemented);
    const std::string message(engine.status().message());
    EXPECT_THAT(message, HasSubstr("Frobnicate"));
    EXPECT_THAT(message, HasSubstr("node"));
    EXPECT_THAT(message, HasSubstr(path));
    EXPECT_THAT(message, HasSubstr(domain));
  }
}

TEST_F(TorchEngineTest, UnsupportedAttributesAreRefusedAtLoad) {
  TestGraph graph;
  const std::string x = graph.Input(RandomFloats(random_, {1, 2, 4, 4}));
  graph.Output(graph.Add("Resize", {x, "", graph.Constant(Floats({1, 1, 2, 2}))}, {{"mode", "sharp"}}));
  const auto engine = Load(graph.Save(folder_ / "mode.onnx"));
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(engine.status().message()), HasSubstr("mode sharp"));
  EXPECT_THAT(std::string(engine.status().message()), HasSubstr("(Resize)"));
}

TEST_F(TorchEngineTest, MissingAndCorruptFilesAreNamed) {
  const auto missing = Load("/nowhere/model.onnx");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/nowhere/model.onnx"));

  const std::string path = folder_ / "corrupt.onnx";
  const auto load_bytes = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return Load(path).status();
  };
  for (const std::string& bytes : {std::string(), std::string("this is no model"), std::string(1000, '\0')}) {
    const absl::Status status = load_bytes(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_EQ(GetReason(status), "MODEL_CORRUPT");
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

// Whatever is cut off or changed: an error or a model, never a crash.
TEST_F(TorchEngineTest, DamagedFilesNeverCrash) {
  TestGraph graph;
  const std::string x = graph.Input(RandomFloats(random_, {1, 3, 8, 8}));
  const std::string y = graph.Add("Conv", {x, graph.Constant(RandomFloats(random_, {4, 3, 3, 3}))});
  graph.Output(graph.Add("Reshape", {graph.Add("Relu", {y}), graph.Constant(Ints({1, -1}))}));
  const std::string whole = graph.proto().SerializeAsString();
  const std::string path = folder_ / "damaged.onnx";
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole;
    if (round % 3 == 0) bytes.resize(static_cast<size_t>(Pick(random_, 0, static_cast<int64_t>(whole.size()))));
    for (int i = 0; round % 3 != 0 && i < 3; ++i) {
      bytes[static_cast<size_t>(Pick(random_, 0, static_cast<int64_t>(whole.size()) - 1))] =
          static_cast<char>(Pick(random_, 0, 255));
    }
    std::ofstream(path, std::ios::binary) << bytes;
    const auto engine = Load(path);
    if (engine.ok() && (*engine)->inputs().size() == 1) (void)(*engine)->Run(graph.inputs());
  }
}

TEST_F(TorchEngineTest, BrokenGraphsSayWhatIsWrong) {
  const auto status_of = [&](TestGraph& graph) {
    const auto engine = Load(graph.Save(folder_ / "broken.onnx"));
    EXPECT_EQ(engine.status().code(), absl::StatusCode::kDataLoss) << engine.status();
    return std::string(engine.status().message());
  };
  TestGraph dangling;
  dangling.Input(RandomFloats(random_, {2}));
  dangling.Output(dangling.Add("Relu", {"nobody"}));
  EXPECT_THAT(status_of(dangling), HasSubstr("reads nobody"));
  TestGraph no_output;
  no_output.Output("nothing");
  EXPECT_THAT(status_of(no_output), HasSubstr("nothing makes the output nothing"));
  TestGraph short_weights;
  short_weights.Constant(Floats({1, 2, 3}));
  short_weights.proto().mutable_graph()->mutable_initializer(0)->set_dims(0, 4);
  EXPECT_THAT(status_of(short_weights), HasSubstr("not as many elements"));
  TestGraph huge;
  huge.Constant(Floats({1}));
  huge.proto().mutable_graph()->mutable_initializer(0)->set_dims(0, int64_t{1} << 62);
  EXPECT_THAT(status_of(huge), HasSubstr("has sides"));
}

TEST_F(TorchEngineTest, NewerOpsetsAreRefused) {
  TestGraph graph(99);
  graph.Output(graph.Add("Relu", {graph.Input(RandomFloats(random_, {2}))}));
  const auto engine = Load(graph.Save(folder_ / "opset.onnx"));
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(engine.status().message()), HasSubstr("opset 99"));
}

TEST_F(TorchEngineTest, WeightsBesideTheFileAreRead) {
  TestGraph graph;
  const std::string x = graph.Input(Floats({1, 2, 3}));
  const std::string w = graph.Constant(Floats({0, 0, 0}));
  graph.Output(graph.Add("Add", {x, w}));
  const std::string weights = "weights.bin";
  const std::vector<float> values = {9, 10, 20, 30};
  std::ofstream(folder_ / weights, std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 16);
  onnx::TensorProto& tensor = *graph.proto().mutable_graph()->mutable_initializer(0);
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto set = [&](const char* key, const std::string& value) {
    onnx::StringStringEntryProto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  set("location", weights);
  set("offset", "4");
  const auto engine = Load(graph.Save(folder_ / "external.onnx"));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto outputs = (*engine)->Run(graph.inputs());
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT((*outputs)[0].values<float>(), ::testing::ElementsAre(11, 22, 33));

  tensor.mutable_external_data(1)->set_value("8");
  EXPECT_EQ(Load(graph.Save(folder_ / "short.onnx")).status().code(), absl::StatusCode::kDataLoss);
  tensor.mutable_external_data(0)->set_value("../../etc/passwd");
  const auto outside = Load(graph.Save(folder_ / "outside.onnx"));
  EXPECT_EQ(outside.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(outside.status().message()), HasSubstr("outside the model's folder"));
}

TEST_F(TorchEngineTest, MemoryThatRunsOutIsSaidSo) {
  TestGraph graph;
  const std::string n = graph.Input(Ints({2, 3}));
  graph.Output(graph.Add("ConstantOfShape", {n}), DType::kFloat32, 2);
  const auto engine = Load(graph.Save(folder_ / "large.onnx"));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto large = (*engine)->Run(std::vector<Tensor>{Ints({1 << 26, 1 << 24})});
  EXPECT_EQ(large.status().code(), absl::StatusCode::kResourceExhausted) << large.status();
  const auto small = (*engine)->Run(graph.inputs());
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_EQ((*small)[0].shape(), (Shape{2, 3}));
}

TEST_F(TorchEngineTest, DevicesThatAreNotThereAreRefused) {
  EXPECT_EQ(Load(SavedLine(), {.device = "abacus"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Load(SavedLine(), {.device = "cuda:77"}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(EngineAvailable(EngineKind::kLibTorch, "cuda:77").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TorchEngineTest, ManyThreadsShareIt) {
  TestGraph graph;
  const std::string x = graph.Input(RandomFloats(random_, {1, 3, 16, 16}), true);
  std::string y = graph.Add("Relu", {graph.Add("Conv", {x, graph.Constant(RandomFloats(random_, {8, 3, 3, 3}))})});
  graph.Output(graph.Add(
      "Reshape", {y, graph.Add("Concat", {graph.Add("Shape", {y}), graph.Constant(Ints({1}))}, {{"axis", 0}})}));
  const auto engine = Load(graph.Save(folder_ / "threads.onnx"), {.max_concurrent_runs = 2});
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::vector<Tensor> inputs;
  std::vector<Tensor> expected;
  for (int64_t i = 0; i < 4; ++i) {
    inputs.push_back(RandomFloats(random_, {i + 1, 3, 16, 16 + i}));
    const auto outputs = (*engine)->Run(std::vector<Tensor>{inputs.back()});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    expected.push_back((*outputs)[0]);
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t round = 0; round < 40; ++round) {
        const size_t i = (t + round) % inputs.size();
        const auto outputs = (*engine)->Run(std::vector<Tensor>{inputs[i]});
        if (!outputs.ok() || (*outputs)[0].shape() != expected[i].shape() ||
            !std::equal(expected[i].values<float>().begin(), expected[i].values<float>().end(),
                        (*outputs)[0].values<float>().begin())) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// Until opset 12 all axes from `axis` on were one.
TEST_F(TorchEngineTest, OldSoftmaxTakesAxesTogether) {
  TestGraph graph(11);
  const std::string x = graph.Input(RandomFloats(random_, {2, 3, 4}, 0.5F, 0.5F));
  graph.Output(graph.Add("Softmax", {x}, {{"axis", 1}}));
  const auto engine = Load(graph.Save(folder_ / "softmax.onnx"));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto outputs = (*engine)->Run(graph.inputs());
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  for (const float value : (*outputs)[0].values<float>()) EXPECT_NEAR(value, 1 / 12.0, 1e-6);
}

// bfloat16 keeps 8 bits: each rounding errs by up to 1/256, and the errors of a sum of many products average out.
TEST_F(TorchEngineTest, Bfloat16IsCloseToFloat32) {
  TestGraph graph;
  std::string y = graph.Input(RandomFloats(random_, {1, 8, 20, 20}));
  for (int layer = 0; layer < 4; ++layer) {
    const Tensor w = RandomFloats(random_, {8, 8, 3, 3}, -0.2F, 0.2F);
    y = graph.Add("Conv", {y, graph.Constant(w), graph.Constant(RandomFloats(random_, {8}))});
    y = graph.Add("Mul", {y, graph.Add("Sigmoid", {y})});
  }
  graph.Output(y);
  const std::string path = graph.Save(folder_ / "narrow.onnx");
  const auto wide = Load(path);
  const auto narrow = Load(path, {.precision = Precision::kBfloat16});
  ASSERT_TRUE(wide.ok() && narrow.ok());
  if ((*narrow)->precision() != Precision::kBfloat16) GTEST_SKIP() << "this CPU has no bfloat16";
  EXPECT_LT((*narrow)->resident_bytes(), (*wide)->resident_bytes());
  const auto expected = (*wide)->Run(graph.inputs());
  const auto actual = (*narrow)->Run(graph.inputs());
  ASSERT_TRUE(expected.ok() && actual.ok());
  ExpectClose((*actual)[0], (*expected)[0], 0.03);
}

// Positions up to 2000 in steps of one half: 8 bits would show them in steps of 8.
TEST_F(TorchEngineTest, PositionsStayExactInBfloat16) {
  TestGraph graph;
  const std::string x = graph.Input(RandomFloats(random_, {1, 2000}, 0.25F, 0.25F), true);
  const std::string shape = graph.Add("Shape", {x});
  const std::string side = graph.Add("Gather", {shape, graph.Constant(Ints({1}).Reshaped({}))});
  const std::string row =
      graph.Add("Range", {graph.Constant(Ints({0}).Reshaped({})), side, graph.Constant(Ints({1}).Reshaped({}))});
  const std::string centre = graph.Add("Add", {graph.Add("Cast", {row}, {{"to", 1}}), graph.Constant(Floats({0.5F}))});
  graph.Output(graph.Add("Add", {x, centre}));
  const auto engine = Load(graph.Save(folder_ / "positions.onnx"), {.precision = Precision::kBfloat16});
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (int run = 0; run < 2; ++run) {
    const auto outputs = (*engine)->Run(graph.inputs());
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    for (size_t i = 0; i < 2000; ++i) {
      ASSERT_EQ((*outputs)[0].values<float>()[i], static_cast<float>(i) + 0.75F);
    }
  }
}

}  // namespace
}  // namespace reelsight::inference
