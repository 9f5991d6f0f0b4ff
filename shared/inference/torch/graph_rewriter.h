// SPDX-License-Identifier: Apache-2.0
//
// Makes a graph cheaper without changing what it computes: what is known at load is computed at load, scales and
// shifts move into the weights of the convolution before them, activations become one node.
#pragma once

#include "absl/status/status.h"
#include "shared/inference/torch/graph.h"

namespace reelsight::inference {

// UNIMPLEMENTED, naming the node, for an operator that there is not. Throws what ATen throws for a node whose constants
// do not fit together.
absl::Status RewriteGraph(Graph& graph);

}  // namespace reelsight::inference
