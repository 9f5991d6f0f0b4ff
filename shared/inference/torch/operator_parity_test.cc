// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic and layers, see operator_parity_test_support.h.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shared/inference/torch/operator_parity_test_support.h"

namespace reelsight::inference {
namespace {

// y = op(x) for x in [low, high).
Case Unary(const char* op, float low = -3, float high = 3, int64_t opset = 17) {
  return {op,
          [=](Random& random, TestGraph& graph) {
            graph.Output(graph.Add(op, {graph.Input(RandomFloats(random, AnyShape(random, 4), low, high))}));
          },
          opset};
}

Case WithAttributes(std::string name, const char* op, std::vector<TestAttribute> attributes, int64_t opset = 17) {
  return {std::move(name),
          [=](Random& random, TestGraph& graph) {
            graph.Output(graph.Add(op, {graph.Input(RandomFloats(random, AnyShape(random, 4), -3, 3))}, attributes));
          },
          opset};
}

// Two shapes that broadcast to one.
std::pair<Shape, Shape> BroadcastShapes(Random& random) {
  Shape a = AnyShape(random, 4);
  Shape b = a;
  for (size_t i = 0; i < 4; ++i) {
    const int64_t what = Pick(random, 0, 3);
    if (what == 0) a[i] = 1;
    if (what == 1) b[i] = 1;
  }
  b.erase(b.begin(), b.begin() + Pick(random, 0, 3));
  return {a, b};
}

Case Binary(const char* op, DType result = DType::kFloat32, float low = 0.2F, float high = 3) {
  return {op, [=](Random& random, TestGraph& graph) {
            const auto [a, b] = BroadcastShapes(random);
            const std::string x = graph.Input(RandomFloats(random, a, low, high));
            const Tensor other = RandomFloats(random, b, low, high);
            const std::string y = Pick(random, 0, 1) == 0 ? graph.Input(other) : graph.Constant(other);
            graph.Output(graph.Add(op, {x, y}), result);
          }};
}

Case Logic(const char* op) {
  return {op, [=](Random& random, TestGraph& graph) {
            const auto [a, b] = BroadcastShapes(random);
            const std::string x = graph.Input(RandomBools(random, a));
            graph.Output(graph.Add(op, {x, graph.Input(RandomBools(random, b))}), DType::kBool);
          }};
}

Case IntBinary(const char* op) {
  return {absl::StrCat("Int", op), [=](Random& random, TestGraph& graph) {
            const auto [a, b] = BroadcastShapes(random);
            const std::string x = graph.Input(RandomInts(random, a, 1, 40));
            graph.Output(graph.Add(op, {x, graph.Input(RandomInts(random, b, 1, 9))}), DType::kInt64);
          }};
}

Case Convolution(size_t rank, bool transposed) {
  return {absl::StrCat(transposed ? "ConvTranspose" : "Conv", rank, "d"), [=](Random& random, TestGraph& graph) {
            const int64_t groups = OneOf<int64_t>(random, {1, 1, 2, 4});
            const int64_t in = groups * Pick(random, 1, 4);
            const int64_t out = groups * Pick(random, 1, 4);
            Shape x = {Pick(random, 1, 3), in};
            Shape w = transposed ? Shape{in, out / groups} : Shape{out, in / groups};
            std::vector<int64_t> strides;
            std::vector<int64_t> dilations;
            std::vector<int64_t> pads(2 * rank);
            std::vector<int64_t> more;
            for (size_t i = 0; i < rank; ++i) {
              x.push_back(Pick(random, 8, 14));
              w.push_back(Pick(random, 1, 3));
              strides.push_back(Pick(random, 1, 3));
              dilations.push_back(Pick(random, 1, 2));
              pads[i] = Pick(random, 0, 2);
              pads[i + rank] = Pick(random, 0, 1) == 0 ? pads[i] : Pick(random, 0, 2);
              more.push_back(strides[i] > 1 ? Pick(random, 0, 1) : 0);
            }
            std::vector<TestAttribute> attributes = {{"strides", strides}, {"group", groups}};
            const int64_t mode = Pick(random, 0, transposed ? 1 : 2);
            if (mode == 2) {
              attributes.emplace_back("auto_pad", OneOf<const char*>(random, {"SAME_UPPER", "SAME_LOWER", "VALID"}));
            } else {
              attributes.emplace_back("pads", pads);
              attributes.emplace_back("dilations", dilations);
            }
            if (transposed) attributes.emplace_back("output_padding", more);
            std::vector<std::string> inputs = {graph.Input(RandomFloats(random, x), Pick(random, 0, 1) == 0),
                                               graph.Constant(RandomFloats(random, w))};
            if (Pick(random, 0, 1) == 0) inputs.push_back(graph.Constant(RandomFloats(random, {out})));
            graph.Output(graph.Add(transposed ? "ConvTranspose" : "Conv", inputs, attributes));
          }};
}

// A convolution, what folds into it, and an activation.
Case FoldedConvolution() {
  return {"ConvBatchNormalizationActivation", [](Random& random, TestGraph& graph) {
            const bool transposed = Pick(random, 0, 2) == 0;
            const int64_t groups = Pick(random, 1, 2);
            const int64_t out = groups * Pick(random, 1, 4);
            const int64_t in = groups * 3;
            const std::string x = graph.Input(RandomFloats(random, {2, in, 9, 8}));
            const Shape w = transposed ? Shape{in, out / groups, 3, 3} : Shape{out, in / groups, 3, 3};
            std::vector<std::string> inputs = {x, graph.Constant(RandomFloats(random, w))};
            if (Pick(random, 0, 1) == 0) inputs.push_back(graph.Constant(RandomFloats(random, {out})));
            std::string y = graph.Add(transposed ? "ConvTranspose" : "Conv", inputs, {{"group", groups}});
            if (Pick(random, 0, 1) == 0) {
              y = graph.Add(
                  "BatchNormalization",
                  {y, graph.Constant(RandomFloats(random, {out})), graph.Constant(RandomFloats(random, {out})),
                   graph.Constant(RandomFloats(random, {out})), graph.Constant(RandomFloats(random, {out}, 0.5F, 2))});
            }
            for (const char* op : {"Mul", "Add", "Sub", "Div"}) {
              if (Pick(random, 0, 1) == 0) continue;
              const Shape shape = OneOf<Shape>(random, {{1}, {1, out, 1, 1}, {out, 1, 1}});
              y = graph.Add(op, {y, graph.Constant(RandomFloats(random, shape, 0.5F, 2))});
            }
            const int64_t activation = Pick(random, 0, 4);
            if (activation == 0) y = graph.Add("Relu", {y});
            if (activation == 1) y = graph.Add("Mul", {y, graph.Add("Sigmoid", {y})});
            if (activation == 2) y = graph.Add("Mul", {graph.Add("HardSigmoid", {y}, {{"alpha", 1 / 6.0F}}), y});
            if (activation == 3) y = graph.Add("LeakyRelu", {y}, {{"alpha", 0.1F}});
            graph.Output(y);
            if (Pick(random, 0, 1) == 0) graph.Output(graph.Add("Neg", {y}));
          }};
}

Case GeluPattern() {
  return {"GeluPattern", [](Random& random, TestGraph& graph) {
            const std::string x = graph.Input(RandomFloats(random, {2, 3, 5}, -3, 3));
            const bool divide = Pick(random, 0, 1) == 0;
            const std::string scaled =
                graph.Add(divide ? "Div" : "Mul", {x, graph.Constant(Floats({divide ? 1.41421354F : 0.70710677F}))});
            const std::string term = graph.Add("Add", {graph.Add("Erf", {scaled}), graph.Constant(Floats({1}))});
            const std::string half = graph.Constant(Floats({0.5F}));
            if (Pick(random, 0, 1) == 0) {
              graph.Output(graph.Add("Mul", {graph.Add("Mul", {x, term}), half}));
            } else {
              graph.Output(graph.Add("Mul", {graph.Add("Mul", {x, half}), term}));
            }
          }};
}

Case Pooling(const char* op, size_t rank) {
  return {absl::StrCat(op, rank, "d"), [=](Random& random, TestGraph& graph) {
            Shape x = {Pick(random, 1, 2), Pick(random, 1, 3)};
            std::vector<int64_t> kernel;
            std::vector<int64_t> strides;
            std::vector<int64_t> pads(2 * rank);
            for (size_t i = 0; i < rank; ++i) {
              x.push_back(Pick(random, 6, 12));
              kernel.push_back(Pick(random, 2, 4));
              strides.push_back(Pick(random, 1, 3));
              pads[i] = Pick(random, 0, 1);
              pads[i + rank] = Pick(random, 0, 1) == 0 ? pads[i] : Pick(random, 0, 1);
            }
            std::vector<TestAttribute> attributes = {{"kernel_shape", kernel}, {"strides", strides}};
            if (Pick(random, 0, 2) == 0) {
              attributes.emplace_back("auto_pad", OneOf<const char*>(random, {"SAME_UPPER", "SAME_LOWER"}));
            } else {
              attributes.emplace_back("pads", pads);
              // Windows that begin in the pad behind, or beyond it, count for OpenVINO only.
              bool within = pads == std::vector<int64_t>(2 * rank);
              for (size_t i = 0; i < rank; ++i) within = within && strides[i] <= kernel[i];
              if (within && std::string(op) == "MaxPool") attributes.emplace_back("ceil_mode", Pick(random, 0, 1));
            }
            if (std::string(op) == "AveragePool") attributes.emplace_back("count_include_pad", Pick(random, 0, 1));
            graph.Output(graph.Add(op, {graph.Input(RandomFloats(random, x))}, attributes));
          }};
}

Case Reduction(const char* op, int64_t opset, float low = -2) {
  return {absl::StrCat(op, "Opset", opset),
          [=](Random& random, TestGraph& graph) {
            const std::string x = graph.Input(RandomFloats(random, AnyShape(random, 4), low, 2));
            std::vector<int64_t> axes = {0, 1, 2, 3};
            std::shuffle(axes.begin(), axes.end(), random);
            axes.resize(static_cast<size_t>(Pick(random, 1, 3)));
            if (Pick(random, 0, 1) == 0) axes[0] -= 4;
            std::vector<std::string> inputs = {x};
            std::vector<TestAttribute> attributes = {{"keepdims", Pick(random, 0, 1)}};
            if (opset >= 18 || std::string(op) == "ReduceSum") {
              inputs.push_back(graph.Constant(Ints(axes)));
            } else {
              attributes.emplace_back("axes", axes);
            }
            graph.Output(graph.Add(op, inputs, attributes));
          },
          opset};
}

std::vector<Case> Arithmetic() {
  std::vector<Case> cases = {
      Unary("Abs"),
      Unary("Neg"),
      Unary("Floor"),
      Unary("Ceil"),
      Unary("Round"),
      Unary("Sign"),
      Unary("Erf"),
      Unary("Sin"),
      Unary("Cos"),
      Unary("Tan", -1, 1),
      Unary("Asin", -1, 1),
      Unary("Acos", -1, 1),
      Unary("Atan"),
      Unary("Sinh"),
      Unary("Cosh"),
      Unary("Asinh"),
      Unary("Acosh", 1, 4),
      Unary("Exp"),
      Unary("Atanh", -0.9F, 0.9F),
      Unary("Log", 0.1F, 4),
      Unary("Sqrt", 0, 4),
      Unary("Reciprocal", 0.5F, 4),
      Unary("Relu"),
      Unary("Sigmoid"),
      Unary("Tanh"),
      Unary("HardSwish"),
      Unary("Mish", -3, 3, 18),
      Unary("Softplus"),
      Unary("Softsign"),
      Unary("Selu"),
      Unary("Elu"),
      Unary("LeakyRelu"),
      Unary("HardSigmoid"),
      Unary("Gelu", -3, 3, 20),
      Unary("Identity"),
      Binary("Add"),
      Binary("Sub"),
      Binary("Mul"),
      Binary("Div"),
      Binary("Pow"),
      Binary("Max"),
      Binary("Min"),
      Binary("Sum"),
      Binary("Mean"),
      Binary("Greater", DType::kBool),
      Binary("GreaterOrEqual", DType::kBool),
      Binary("Less", DType::kBool),
      Binary("LessOrEqual", DType::kBool),
      Logic("And"),
      Logic("Or"),
      Logic("Xor"),
      IntBinary("Add"),
      IntBinary("Sub"),
      IntBinary("Mul"),
      IntBinary("Div"),
      IntBinary("Mod"),
      WithAttributes("EluAlpha", "Elu", {{"alpha", 0.7F}}),
      WithAttributes("SeluAlpha", "Selu", {{"alpha", 1.5F}, {"gamma", 1.2F}}),
      WithAttributes("HardSigmoidAlpha", "HardSigmoid", {{"alpha", 0.3F}, {"beta", 0.4F}}),
      WithAttributes("ThresholdedRelu", "ThresholdedRelu", {{"alpha", 0.5F}}),
      WithAttributes("GeluTanh", "Gelu", {{"approximate", "tanh"}}, 20),
      WithAttributes("Softmax", "Softmax", {{"axis", 1}}),
      WithAttributes("SoftmaxLast", "Softmax", {}),
      // Of an axis that is not the last one: see TorchEngineTest, for OpenVINO does not do what opset 11 says.
      WithAttributes("SoftmaxOpset11", "Softmax", {{"axis", 3}}, 11),
      WithAttributes("LogSoftmax", "LogSoftmax", {{"axis", -2}}),
      WithAttributes("CastToInt", "Cast", {{"to", 7}}),
  };
  cases.back().build = [](Random& random, TestGraph& graph) {
    graph.Output(graph.Add("Cast", {graph.Input(RandomFloats(random, {3, 4}, -9, 9))}, {{"to", 7}}), DType::kInt64);
  };
  cases.push_back({"Equal", [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomInts(random, {4, 5}, 0, 3));
                     graph.Output(graph.Add("Equal", {x, graph.Input(RandomInts(random, {5}, 0, 3))}), DType::kBool);
                   }});
  cases.push_back({"Where", [](Random& random, TestGraph& graph) {
                     const auto [a, b] = BroadcastShapes(random);
                     const std::string c = graph.Input(RandomBools(random, a));
                     const std::string x = graph.Input(RandomFloats(random, b));
                     graph.Output(graph.Add("Where", {graph.Add("Not", {c}), x, graph.Input(RandomFloats(random, a))}));
                   }});
  cases.push_back({"Clip", [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomFloats(random, {3, 4}, -9, 9));
                     Tensor low(DType::kFloat32, {});
                     low.mutable_values<float>()[0] = -1;
                     Tensor high(DType::kFloat32, {});
                     high.mutable_values<float>()[0] = 6;
                     const bool has_low = Pick(random, 0, 1) == 0;
                     graph.Output(graph.Add("Clip", {x, has_low ? graph.Constant(low) : "", graph.Constant(high)}));
                   }});
  cases.push_back({"PRelu", [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomFloats(random, {2, 3, 4, 5}));
                     const Shape slope = OneOf<Shape>(random, {{3, 1, 1}, {1}});
                     graph.Output(graph.Add("PRelu", {x, graph.Constant(RandomFloats(random, slope))}));
                   }});
  cases.push_back({"ModFloat", [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomFloats(random, {2, 9}, -9, 9));
                     graph.Output(graph.Add("Mod", {x, graph.Input(RandomFloats(random, {9}, 1, 3))}, {{"fmod", 1}}));
                   }});
  return cases;
}

std::vector<Case> Layers() {
  std::vector<Case> cases = {
      Convolution(1, false),
      Convolution(2, false),
      Convolution(3, false),
      Convolution(1, true),
      Convolution(2, true),
      Convolution(3, true),
      FoldedConvolution(),
      GeluPattern(),
      Pooling("MaxPool", 1),
      Pooling("MaxPool", 2),
      Pooling("MaxPool", 3),
      Pooling("AveragePool", 1),
      Pooling("AveragePool", 2),
      Pooling("AveragePool", 3),
      Unary("GlobalAveragePool"),
      Unary("GlobalMaxPool"),
      WithAttributes("LRN", "LRN", {{"size", 3}, {"alpha", 0.01F}}),
  };
  cases.push_back(
      {"MatMul", [](Random& random, TestGraph& graph) {
         const int64_t m = Pick(random, 1, 6);
         const int64_t k = Pick(random, 1, 6);
         const int64_t n = Pick(random, 1, 6);
         const std::string a = graph.Input(RandomFloats(random, {2, 3, m, k}));
         const Shape shape = OneOf<Shape>(random, {{k, n}, {3, k, n}, {1, 1, k, n}, {k}});
         const Tensor b = RandomFloats(random, shape);
         graph.Output(graph.Add("MatMul", {a, Pick(random, 0, 1) == 0 ? graph.Input(b) : graph.Constant(b)}));
       }});
  cases.push_back(
      {"Gemm", [](Random& random, TestGraph& graph) {
         const int64_t m = Pick(random, 1, 6);
         const int64_t k = Pick(random, 1, 6);
         const int64_t n = Pick(random, 1, 6);
         const int64_t ta = Pick(random, 0, 1);
         const int64_t tb = Pick(random, 0, 1);
         std::vector<std::string> inputs = {graph.Input(RandomFloats(random, ta != 0 ? Shape{k, m} : Shape{m, k})),
                                            graph.Constant(RandomFloats(random, tb != 0 ? Shape{n, k} : Shape{k, n}))};
         if (Pick(random, 0, 2) > 0) {
           inputs.push_back(graph.Constant(RandomFloats(random, OneOf<Shape>(random, {{n}, {m, n}, {1}}))));
         }
         graph.Output(graph.Add("Gemm", inputs, {{"transA", ta}, {"transB", tb}, {"alpha", 0.7F}, {"beta", 1.3F}}));
       }});
  cases.push_back({"Einsum", [](Random& random, TestGraph& graph) {
                     const std::string a = graph.Input(RandomFloats(random, {2, 3, 4}));
                     const std::string b = graph.Input(RandomFloats(random, {2, 4, 5}));
                     graph.Output(graph.Add("Einsum", {a, b}, {{"equation", "bij, bjk -> bik"}}));
                   }});
  cases.push_back({"BatchNormalization", [](Random& random, TestGraph& graph) {
                     std::vector<std::string> inputs = {graph.Input(RandomFloats(random, {2, 4, 3, 5}))};
                     for (int i = 0; i < 3; ++i) inputs.push_back(graph.Constant(RandomFloats(random, {4})));
                     inputs.push_back(graph.Constant(RandomFloats(random, {4}, 0.5F, 2)));
                     graph.Output(graph.Add("BatchNormalization", inputs, {{"epsilon", 1e-3F}}));
                   }});
  cases.push_back({"LayerNormalization", [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomFloats(random, {2, 3, 16}));
                     std::vector<std::string> inputs = {x, graph.Constant(RandomFloats(random, {16}))};
                     if (Pick(random, 0, 1) == 0) inputs.push_back(graph.Constant(RandomFloats(random, {16})));
                     graph.Output(graph.Add("LayerNormalization", inputs, {{"axis", -1}}));
                   }});
  cases.push_back({"InstanceNormalization", [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomFloats(random, {2, 3, 7, 6}));
                     graph.Output(graph.Add("InstanceNormalization", {x, graph.Constant(RandomFloats(random, {3})),
                                                                      graph.Constant(RandomFloats(random, {3}))}));
                   }});
  cases.push_back({"GroupNormalization",
                   [](Random& random, TestGraph& graph) {
                     const std::string x = graph.Input(RandomFloats(random, {2, 6, 5, 4}));
                     graph.Output(graph.Add(
                         "GroupNormalization",
                         {x, graph.Constant(RandomFloats(random, {6})), graph.Constant(RandomFloats(random, {6}))},
                         {{"num_groups", 3}}));
                   },
                   21});
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    for (const char* op : {"LSTM", "GRU"}) {
      for (const int64_t reset : {0, 1}) {
        const bool lstm = std::string(op) == "LSTM";
        if (lstm && reset == 1) continue;
        cases.push_back({absl::StrCat(op, "_", direction, reset), [=](Random& random, TestGraph& graph) {
                           const int64_t d = std::string(direction) == "bidirectional" ? 2 : 1;
                           const int64_t gates = lstm ? 4 : 3;
                           const int64_t hidden = Pick(random, 2, 5);
                           const int64_t size = Pick(random, 2, 5);
                           std::vector<std::string> inputs = {
                               graph.Input(RandomFloats(random, {7, 2, size})),
                               graph.Constant(RandomFloats(random, {d, gates * hidden, size})),
                               graph.Constant(RandomFloats(random, {d, gates * hidden, hidden})),
                               graph.Constant(RandomFloats(random, {d, 2 * gates * hidden})), ""};
                           if (Pick(random, 0, 1) == 0) {
                             inputs.push_back(graph.Input(RandomFloats(random, {d, 2, hidden})));
                             if (lstm) inputs.push_back(graph.Input(RandomFloats(random, {d, 2, hidden})));
                           } else {
                             inputs.pop_back();
                           }
                           std::vector<TestAttribute> attributes = {{"direction", direction}, {"hidden_size", hidden}};
                           if (!lstm) attributes.emplace_back("linear_before_reset", reset);
                           for (const std::string& output : graph.Node(op, inputs, attributes, lstm ? 3 : 2)) {
                             graph.Output(output);
                           }
                         }});
      }
    }
  }
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceL1",
                         "ReduceSumSquare", "ReduceLogSumExp"}) {
    cases.push_back(Reduction(op, 18));
  }
  // The others' axes are not seen by OpenVINO between opset 13 and 17.
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2"}) {
    cases.push_back(Reduction(op, 13));
  }
  cases.push_back(Reduction("ReduceLogSum", 18, 0.1F));
  return cases;
}

TEST(OperatorParityTest, Arithmetic) { ExpectParity(Arithmetic()); }

TEST(OperatorParityTest, Layers) { ExpectParity(Layers()); }

}  // namespace
}  // namespace reelsight::inference
