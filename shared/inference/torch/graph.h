// SPDX-License-Identifier: Apache-2.0
//
// An ONNX graph in memory: nodes in order, values by name, constants as ATen tensors. Plain data; reading is in
// onnx_reader.h, rewriting in graph_rewriter.h, running in executor.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "shared/inference/tensor.h"

namespace reelsight::inference {

// Stands for an attribute that holds a graph, as those of If and Loop do.
struct Subgraph {};

using Attribute =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, at::Tensor, Subgraph>;

struct Node {
  std::string op;
  // Empty for ONNX's own operators.
  std::string domain;
  std::string name;
  // Names of values; empty where an optional one is left out.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::unordered_map<std::string, Attribute> attributes;
  // An elementwise node of one input that runs on this one's output; made by the rewriter only.
  std::shared_ptr<Node> fused;
};

struct Graph {
  std::string path;
  int64_t opset = 0;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::unordered_map<std::string, at::Tensor> constants;
  // Each after those whose outputs it reads.
  std::vector<Node> nodes;
};

}  // namespace reelsight::inference
