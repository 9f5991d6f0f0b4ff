// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/kernel_factory.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::inference {

std::string NodeText(const Graph& graph, const Node& node) {
  return absl::StrCat("node ", node.name, " (", node.op, ") of ", graph.path);
}

absl::StatusOr<const OperatorDef*> FindOperator(const Graph& graph, const Node& node) {
  const auto found = Operators().find(node.op);
  if (!node.domain.empty() || found == Operators().end()) {
    return absl::UnimplementedError(absl::StrCat(
        "the LibTorch engine has no operator ", node.domain.empty() ? "" : absl::StrCat(node.domain, "."), node.op,
        ", which ", NodeText(graph, node), " needs; run this model on the CPU, or export it without that operator"));
  }
  const OperatorDef& def = found->second;
  const size_t needed =
      def.min_inputs == kAllInputs ? std::max<size_t>(1, node.inputs.size()) : static_cast<size_t>(def.min_inputs);
  const bool all = node.inputs.size() >= needed &&
                   std::none_of(node.inputs.begin(), node.inputs.begin() + static_cast<std::ptrdiff_t>(needed),
                                [](const std::string& input) { return input.empty(); });
  if (all && !node.outputs.empty()) return &def;
  return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                   absl::StrCat(NodeText(graph, node), " lacks an input or an output"));
}

absl::StatusOr<Kernel> MakeKernel(const Graph& graph, const Node& node, at::Device device,
                                  at::ScalarType compute_type) {
  ASSIGN_OR_RETURN(const OperatorDef* operator_def, FindOperator(graph, node));
  std::vector<at::Tensor> constants;
  for (const std::string& input : node.inputs) {
    const auto found = graph.constants.find(input);
    constants.push_back(found == graph.constants.end() ? at::Tensor() : found->second);
  }
  absl::StatusOr<Kernel> kernel =
      operator_def->make(OperatorContext(node, graph.opset, std::move(constants), device, compute_type));
  if (!kernel.ok()) {
    return Annotate(kernel.status(), absl::StrCat("the LibTorch engine cannot run ", NodeText(graph, node)));
  }
  return kernel;
}

}  // namespace reelsight::inference
