// SPDX-License-Identifier: Apache-2.0
//
// What moves, picks and resizes, see operator_parity_test_support.h.
#include <algorithm>
#include <bit>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shared/inference/torch/operator_parity_test_support.h"

namespace reelsight::inference {
namespace {

Tensor Scalar(int64_t value) { return Ints({value}).Reshaped({}); }

// Slices, with steps forward and backward.
void BuildSlice(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {7, 8, 9}), Pick(random, 0, 1) == 0);
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  std::vector<int64_t> steps;
  for (int i = 0; i < 2; ++i) {
    const bool backward = Pick(random, 0, 1) == 0;
    starts.push_back(backward ? OneOf<int64_t>(random, {-1, 5, 100}) : OneOf<int64_t>(random, {0, 2, -6}));
    ends.push_back(backward ? OneOf<int64_t>(random, {0, 1, -6, INT64_MIN})
                            : OneOf<int64_t>(random, {6, -1, INT64_MAX}));
    steps.push_back(backward ? -Pick(random, 1, 3) : Pick(random, 1, 3));
  }
  graph.Output(graph.Add("Slice", {x, graph.Constant(Ints(starts)), graph.Constant(Ints(ends)),
                                   graph.Constant(Ints({0, -1})), graph.Constant(Ints(steps))}));
}

void BuildPad(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {2, 3, 5, 6}));
  const char* mode = OneOf<const char*>(random, {"constant", "reflect", "edge"});
  std::vector<int64_t> pads = {0, 0};
  for (int i = 0; i < 2; ++i) pads.push_back(Pick(random, 0, 4));
  pads.insert(pads.end(), {0, 0});
  for (int i = 0; i < 2; ++i) pads.push_back(Pick(random, 0, 4));
  std::vector<std::string> inputs = {x, graph.Constant(Ints(pads))};
  if (std::string(mode) == "constant") inputs.push_back(graph.Constant(Floats({1.5F}).Reshaped({})));
  graph.Output(graph.Add("Pad", inputs, {{"mode", mode}}));
}

// A grid like an exporter's: everything from the shape.
void BuildShapeSubgraph(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {2, 3, Pick(random, 3, 6), Pick(random, 3, 6)}), true);
  const std::string shape = graph.Add("Shape", {x});
  const auto side = [&](int64_t axis) {
    return graph.Add("Gather", {shape, graph.Constant(Scalar(axis))}, {{"axis", 0}});
  };
  const std::string zero = graph.Constant(Scalar(0));
  const std::string one = graph.Constant(Scalar(1));
  const std::string row = graph.Add("Cast", {graph.Add("Range", {zero, side(3), one})}, {{"to", 1}});
  const std::string size = graph.Add("Concat",
                                     {graph.Add("Unsqueeze", {side(2), graph.Constant(Ints({0}))}),
                                      graph.Add("Unsqueeze", {side(3), graph.Constant(Ints({0}))})},
                                     {{"axis", 0}});
  const std::string grid = graph.Add("Expand", {graph.Add("Add", {row, graph.Constant(Floats({0.5F}))}), size});
  graph.Output(graph.Add("Mul", {x, grid}));
  const std::string flat =
      graph.Add("Concat",
                {graph.Constant(Ints({-1})),
                 graph.Add("Unsqueeze", {graph.Add("Mul", {side(2), side(3)}), graph.Constant(Ints({0}))})},
                {{"axis", 0}});
  graph.Output(graph.Add("Relu", {graph.Add("Reshape", {x, flat})}));
}

// True if an output place lies on a step of `nearest`, where a rounding error of the scale decides the side. A scale
// that is a power of two has none.
bool OnAStep(std::string_view transform, int64_t in, int64_t out) {
  if (transform == "align_corners") return false;
  if (out % in == 0 && std::has_single_bit(static_cast<uint64_t>(out / in))) return false;
  const bool corners = transform == "asymmetric";
  for (int64_t place = corners ? 1 : 0; place < out; ++place) {
    if ((2 * place + (corners ? 0 : 1)) * in % out == 0) return true;
  }
  return false;
}

void BuildResize(Random& random, TestGraph& graph, const char* mode, const char* transform) {
  const int64_t h = Pick(random, 3, 7);
  const int64_t w = Pick(random, 3, 7);
  const std::string x = graph.Input(RandomFloats(random, {2, 3, h, w}));
  std::vector<std::string> inputs = {x, "", "", ""};
  if (Pick(random, 0, 1) == 0) {
    // Scales that are exact in float32, so that both floor to the same side.
    const auto scale = [&] { return OneOf<float>(random, {0.5F, 1, 1.5F, 2, 3, 2.25F}); };
    inputs[2] = graph.Constant(Floats({1, 1, scale(), scale()}));
    inputs.pop_back();
  } else {
    const auto size = [&](int64_t in) {
      int64_t out = 0;
      do {
        out = Pick(random, 1, 12);
      } while (std::string(mode) == "nearest" && OnAStep(transform, in, out));
      return out;
    };
    const int64_t height = size(h);
    inputs[3] = graph.Constant(Ints({2, 3, height, size(w)}));
  }
  std::vector<TestAttribute> attributes = {{"mode", mode}, {"coordinate_transformation_mode", transform}};
  if (std::string(mode) == "nearest") {
    attributes.emplace_back("nearest_mode",
                            OneOf<const char*>(random, {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"}));
  }
  if (std::string(mode) == "cubic") attributes.emplace_back("cubic_coeff_a", OneOf<float>(random, {-0.75F, -0.5F}));
  graph.Output(graph.Add("Resize", inputs, attributes));
}

void BuildScatterNd(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {5, 6, 4}));
  // Each place once: what happens to one that is written twice is open.
  std::vector<int64_t> places(30);
  std::iota(places.begin(), places.end(), 0);
  std::shuffle(places.begin(), places.end(), random);
  std::vector<int64_t> index;
  for (size_t i = 0; i < 7; ++i) index.insert(index.end(), {places[i] / 6, places[i] % 6});
  graph.Output(graph.Add("ScatterND",
                         {x, graph.Constant(Ints(index).Reshaped({7, 2})), graph.Input(RandomFloats(random, {7, 4}))}));
}

void BuildTopK(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {3, 9, 4}));
  const std::vector<std::string> outputs = graph.Node("TopK", {x, graph.Constant(Ints({Pick(random, 1, 9)}))},
                                                      {{"axis", 1}, {"largest", Pick(random, 0, 1)}, {"sorted", 1}}, 2);
  graph.Output(outputs[0]);
  graph.Output(outputs[1], DType::kInt64);
}

void BuildNonMaxSuppression(Random& random, TestGraph& graph) {
  Tensor boxes = RandomFloats(random, {1, 20, 4}, 0, 5);
  for (int64_t i = 0; i < 20; ++i) {
    float* const box = boxes.mutable_values<float>().data() + 4 * i;
    for (int side = 0; side < 2; ++side) box[side + 2] = box[side] + 1 + box[side + 2];
  }
  const std::string kept = graph.Add(
      "NonMaxSuppression", {graph.Input(boxes), graph.Input(RandomFloats(random, {1, 2, 20}, 0, 1)),
                            graph.Constant(Ints({5})), graph.Constant(Floats({0.4F})), graph.Constant(Floats({0.2F}))});
  graph.Output(kept, DType::kInt64, 2);
}

// A shape that follows from values, used again as a shape.
void BuildNonZero(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {4, 5}));
  const std::string found = graph.Add("NonZero", {graph.Add("Relu", {x})});
  graph.Output(graph.Add("Transpose", {found}, {{"perm", std::vector<int64_t>{1, 0}}}), DType::kInt64, 2);
  graph.Output(graph.Add("Shape", {found}), DType::kInt64, 1);
}

void BuildQuantization(Random& random, TestGraph& graph) {
  const std::string x = graph.Input(RandomFloats(random, {2, 3, 4, 4}, -3, 3));
  const std::string scale = graph.Constant(Floats({0.05F}).Reshaped({}));
  Tensor zero_value(DType::kUint8, {});
  zero_value.mutable_values<uint8_t>()[0] = 120;
  const std::string zero = graph.Constant(zero_value);
  graph.Output(graph.Add("DequantizeLinear", {graph.Add("QuantizeLinear", {x, scale, zero}), scale, zero}));
}

// int8 has no type of ours: it is only inside of models.
std::string Int8Constant(Random& random, TestGraph& graph, const Shape& shape, bool zeros) {
  Tensor bytes(DType::kUint8, shape);
  for (uint8_t& value : bytes.mutable_values<uint8_t>()) {
    value = zeros ? 0 : static_cast<uint8_t>(Pick(random, -127, 127));
  }
  std::string name = graph.Constant(bytes);
  onnx::GraphProto& proto = *graph.proto().mutable_graph();
  proto.mutable_initializer(proto.initializer_size() - 1)->set_data_type(onnx::TensorProto::INT8);
  return name;
}

// Weights with a scale for each channel of `axis`, as quantisers write them.
std::string Int8Weights(Random& random, TestGraph& graph, const Shape& shape, int64_t axis) {
  const Shape channels = {shape[static_cast<size_t>(axis)]};
  const std::string weights = Int8Constant(random, graph, shape, false);
  const std::string scale = graph.Constant(RandomFloats(random, channels, 0.001F, 0.01F));
  return graph.Add("DequantizeLinear", {weights, scale, Int8Constant(random, graph, channels, true)}, {{"axis", axis}});
}

// Values between `low` and `high` steps of the channel's scale, none near half a step: there one engine may round up
// and the other down.
Tensor AwayFromHalfSteps(Random& random, const Shape& shape, const Tensor& scales, int64_t low, int64_t high) {
  Tensor steps = RandomFloats(random, shape, -0.4F, 0.4F);
  const auto values = steps.mutable_values<float>();
  const int64_t plane = shape[2] * shape[3];
  for (int64_t i = 0; i < steps.count(); ++i) {
    const int64_t channel = scales.count() == 1 ? 0 : i / plane % shape[1];
    float& value = values[static_cast<size_t>(i)];
    value =
        (value + static_cast<float>(Pick(random, low, high))) * scales.values<float>()[static_cast<size_t>(channel)];
  }
  return steps;
}

// A convolution, one for each channel and a product, in int8 as the script of models/quantize leaves them: activations
// with one scale or one for each channel, signed or not. OpenVINO runs them in int8.
void BuildInt8Layers(Random& random, TestGraph& graph) {
  const auto quantized = [&](const std::string& value, const std::string& scale, const std::string& zero) {
    const std::string bytes = graph.Add("QuantizeLinear", {value, scale, zero}, {{"axis", 1}});
    return graph.Add("DequantizeLinear", {bytes, scale, zero}, {{"axis", 1}});
  };
  const Shape shape = {2, 6, 9, 9};
  const Tensor scale = Floats({0.025F}).Reshaped({});
  const std::string x = quantized(graph.Input(AwayFromHalfSteps(random, shape, scale, -140, 140)),
                                  graph.Constant(scale), Int8Constant(random, graph, {}, true));
  graph.Output(
      graph.Add("Conv", {x, Int8Weights(random, graph, {5, 6, 3, 3}, 0), graph.Constant(RandomFloats(random, {5}))}));

  const Tensor scales = RandomFloats(random, {6}, 0.005F, 0.0125F);
  Tensor zeros(DType::kUint8, {6});
  for (uint8_t& zero : zeros.mutable_values<uint8_t>()) zero = 0;
  const std::string positive = quantized(graph.Input(AwayFromHalfSteps(random, shape, scales, -50, 280)),
                                         graph.Constant(scales), graph.Constant(zeros));
  graph.Output(graph.Add("Conv", {positive, Int8Weights(random, graph, {6, 1, 3, 3}, 0)}, {{"group", 6}}));

  const std::string rows = graph.Add("Reshape", {x, graph.Constant(Ints({2, -1}))});
  graph.Output(graph.Add("MatMul", {rows, Int8Weights(random, graph, {486, 7}, 1)}));
}

Case Simple(std::string name, const char* op, Shape shape, std::vector<TestAttribute> attributes, int64_t opset = 17) {
  return {std::move(name),
          [=](Random& random, TestGraph& graph) {
            graph.Output(graph.Add(op, {graph.Input(RandomFloats(random, shape))}, attributes));
          },
          opset};
}

std::vector<Case> Movers() {
  using Axes = std::vector<int64_t>;
  std::vector<Case> cases = {
      {"Slice", BuildSlice},
      {"Pad", BuildPad},
      {"ShapeSubgraph", BuildShapeSubgraph},
      {"ScatterND", BuildScatterNd},
      {"TopK", BuildTopK},
      {"NonMaxSuppression", BuildNonMaxSuppression},
      {"NonZero", BuildNonZero},
      {"QuantizeDequantize", BuildQuantization},
      {"Int8Layers", BuildInt8Layers},
      Simple("Transpose", "Transpose", {2, 3, 4, 5}, {{"perm", Axes{0, 2, 3, 1}}}),
      Simple("TransposeReverse", "Transpose", {2, 3, 4}, {}),
      Simple("Flatten", "Flatten", {2, 3, 4, 5}, {{"axis", 2}}),
      Simple("DepthToSpaceDcr", "DepthToSpace", {2, 8, 3, 4}, {{"blocksize", 2}, {"mode", "DCR"}}),
      Simple("DepthToSpaceCrd", "DepthToSpace", {2, 8, 3, 4}, {{"blocksize", 2}, {"mode", "CRD"}}),
      Simple("SpaceToDepth", "SpaceToDepth", {2, 3, 4, 6}, {{"blocksize", 2}}),
      Simple("SqueezeOpset11", "Squeeze", {1, 3, 1, 5}, {{"axes", Axes{0, 2}}}, 11),
      Simple("UnsqueezeOpset11", "Unsqueeze", {3, 5}, {{"axes", Axes{0, 3}}}, 11),
  };
  const auto add = [&](std::string name, std::function<void(Random&, TestGraph&)> build, int64_t opset = 17) {
    cases.push_back({std::move(name), std::move(build), opset});
  };
  add("Concat", [](Random& random, TestGraph& graph) {
    std::vector<std::string> inputs;
    for (int i = 0; i < 3; ++i) inputs.push_back(graph.Input(RandomFloats(random, {2, Pick(random, 1, 4), 3})));
    graph.Output(graph.Add("Concat", inputs, {{"axis", OneOf<int64_t>(random, {1, -2})}}));
  });
  add("Split", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {2, 9, 3}));
    for (const std::string& part : graph.Node("Split", {x, graph.Constant(Ints({2, 4, 3}))}, {{"axis", 1}}, 3)) {
      graph.Output(part);
    }
    for (const std::string& part : graph.Node("Split", {x}, {{"axis", 1}}, 3)) graph.Output(part);
  });
  add("Tile", [](Random& random, TestGraph& graph) {
    graph.Output(graph.Add("Tile", {graph.Input(RandomFloats(random, {2, 3})), graph.Constant(Ints({2, 3}))}));
  });
  add("Gather", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {5, 6, 7}));
    const int64_t axis = Pick(random, 0, 2);
    const std::string index = graph.Input(RandomInts(random, {2, 3}, -5, 5));
    graph.Output(graph.Add("Gather", {x, index}, {{"axis", axis}}));
  });
  add("GatherElements", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {5, 6}));
    graph.Output(graph.Add("GatherElements", {x, graph.Input(RandomInts(random, {5, 4}, 0, 6))}, {{"axis", 1}}));
  });
  add("GatherND", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {3, 4, 5}));
    const int64_t batch = Pick(random, 0, 1);
    const Shape shape = batch == 0 ? Shape{6, 2} : Shape{3, 6, 1};
    graph.Output(graph.Add("GatherND", {x, graph.Input(RandomInts(random, shape, 0, 3))}, {{"batch_dims", batch}}));
  });
  add("ScatterElements", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {4, 5}));
    const std::string index = graph.Constant(Ints({3, 1, 0, 2, 0, 4}).Reshaped({2, 3}));
    graph.Output(graph.Add("ScatterElements", {x, index, graph.Input(RandomFloats(random, {2, 3}))}, {{"axis", 1}}));
  });
  add("ArgMax", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {4, 5, 6}));
    const int64_t keep = Pick(random, 0, 1);
    graph.Output(graph.Add("ArgMax", {x}, {{"axis", Pick(random, -3, 2)}, {"keepdims", keep}}), DType::kInt64);
    graph.Output(graph.Add("ArgMin", {x}, {{"axis", 1}, {"keepdims", keep}}), DType::kInt64);
  });
  add("CumSum", [](Random& random, TestGraph& graph) {
    graph.Output(graph.Add("CumSum", {graph.Input(RandomFloats(random, {4, 5, 6})), graph.Constant(Scalar(1))},
                           {{"exclusive", Pick(random, 0, 1)}, {"reverse", Pick(random, 0, 1)}}));
  });
  add("OneHot", [](Random& random, TestGraph& graph) {
    const std::string index = graph.Input(RandomInts(random, {3, 4}, 0, 5));
    graph.Output(graph.Add("OneHot", {index, graph.Constant(Scalar(5)), graph.Constant(Floats({-1, 2}))},
                           {{"axis", OneOf<int64_t>(random, {-1, 0, 1})}}));
  });
  add("Trilu", [](Random& random, TestGraph& graph) {
    graph.Output(graph.Add("Trilu", {graph.Input(RandomFloats(random, {2, 5, 6})), graph.Constant(Scalar(1))},
                           {{"upper", Pick(random, 0, 1)}}));
  });
  add("ConstantOfShape", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {2, 3}), true);
    const std::string filled = graph.Add("ConstantOfShape", {graph.Add("Shape", {x})}, {{"value", Floats({1.25F})}});
    graph.Output(graph.Add("Add", {x, filled}));
  });
  add("GridSample", [](Random& random, TestGraph& graph) {
    const std::string x = graph.Input(RandomFloats(random, {2, 3, 6, 7}));
    const std::string grid = graph.Input(RandomFloats(random, {2, 4, 5, 2}, -1.3F, 1.3F));
    graph.Output(graph.Add("GridSample", {x, grid},
                           {{"mode", OneOf<const char*>(random, {"bilinear", "nearest", "bicubic"})},
                            {"padding_mode", OneOf<const char*>(random, {"zeros", "border", "reflection"})},
                            {"align_corners", Pick(random, 0, 1)}}));
  });
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* transform : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
      add(absl::StrCat("Resize_", mode, "_", transform),
          [=](Random& random, TestGraph& graph) { BuildResize(random, graph, mode, transform); });
    }
  }
  add(
      "UpsampleOpset9",
      [](Random& random, TestGraph& graph) {
        graph.Output(graph.Add("Upsample",
                               {graph.Input(RandomFloats(random, {1, 2, 4, 5})), graph.Constant(Floats({1, 1, 2, 3}))},
                               {{"mode", "nearest"}}));
      },
      9);
  return cases;
}

TEST(OperatorParityTest, Movers) { ExpectParity(Movers()); }

}  // namespace
}  // namespace reelsight::inference
