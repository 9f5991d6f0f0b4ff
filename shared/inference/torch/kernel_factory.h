// SPDX-License-Identifier: Apache-2.0
//
// Kernels for the nodes of a graph, with errors that name operator, node and file.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shared/inference/torch/graph.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {

// As in `node conv1 (Conv) of model.onnx`.
std::string NodeText(const Graph& graph, const Node& node);

// UNIMPLEMENTED, naming it, unless there is such an operator; DATA_LOSS, MODEL_CORRUPT, if the node has too few inputs.
absl::StatusOr<const OperatorDef*> FindOperator(const Graph& graph, const Node& node);

// The kernel of `node`, which sees the graph's constants. UNIMPLEMENTED for what it cannot serve; throws what ATen
// throws for weights that do not fit.
absl::StatusOr<Kernel> MakeKernel(const Graph& graph, const Node& node, at::Device device, at::ScalarType compute_type);

}  // namespace reelsight::inference
