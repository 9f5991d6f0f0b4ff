// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/graph_rewriter.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/torch/kernel_factory.h"

namespace reelsight::inference {
namespace {

constexpr float kExact = 1e-6F;

// Who makes and who reads each value of a graph.
class GraphIndex {
 public:
  explicit GraphIndex(Graph& graph) : graph_(graph) {
    for (const TensorSpec& output : graph.outputs) outputs_.insert(output.name);
  }

  // Drops removed nodes, which have no outputs, and looks at the others anew.
  void Update() {
    std::erase_if(graph_.nodes, [](const Node& node) { return node.outputs.empty(); });
    maker_.clear();
    readers_.clear();
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const std::string& output : graph_.nodes[i].outputs) maker_[output] = i;
      for (const std::string& input : graph_.nodes[i].inputs) ++readers_[input];
    }
    for (const std::string& output : outputs_) ++readers_[output];
  }

  Node* Maker(const std::string& value) {
    const auto found = maker_.find(value);
    return found == maker_.end() ? nullptr : &graph_.nodes[found->second];
  }
  bool ReadOnce(const std::string& value) const {
    const auto found = readers_.find(value);
    return found != readers_.end() && found->second == 1;
  }
  at::Tensor Constant(const Node& node, size_t input) const {
    if (input >= node.inputs.size()) return {};
    const auto found = graph_.constants.find(node.inputs[input]);
    return found == graph_.constants.end() ? at::Tensor() : found->second;
  }
  std::optional<double> Number(const Node& node, size_t input) const {
    const at::Tensor constant = Constant(node, input);
    if (!constant.defined() || constant.numel() != 1 || !constant.is_floating_point()) return std::nullopt;
    return constant.item().toDouble();
  }
  bool MakesAny(const std::string& value) const { return maker_.contains(value); }
  // `value` is now made by the node that makes `like`.
  void SetMaker(const std::string& value, const std::string& like) { maker_[value] = maker_[like]; }
  // Names of the graph's own outputs.
  const std::unordered_set<std::string>& outputs() const { return outputs_; }

 private:
  Graph& graph_;
  std::unordered_set<std::string> outputs_;
  std::unordered_map<std::string, size_t> maker_;
  std::unordered_map<std::string, int> readers_;
};

// Makes one node of the several that spell out an activation.
class ActivationJoiner {
 public:
  ActivationJoiner(Graph& graph, GraphIndex& index) : graph_(graph), index_(index) {}

  // x * Sigmoid(x), x * HardSigmoid(x) and the exact GELU as one node each.
  void Join() {
    for (Node& node : graph_.nodes) {
      if (node.op != "Mul" || node.inputs.size() != 2) continue;
      if (JoinGelu(node)) continue;
      for (const size_t side : {0, 1}) {
        const std::string& x = node.inputs[1 - side];
        Node* const gate = index_.Maker(node.inputs[side]);
        if (gate == nullptr || gate->inputs.at(0) != x || !index_.ReadOnce(node.inputs[side])) continue;
        const char* joined = gate->op == "Sigmoid" ? "Silu" : nullptr;
        if (gate->op == "HardSigmoid" && Near(*gate, "alpha", 0.2F, 1 / 6.0F) && Near(*gate, "beta", 0.5F, 0.5F)) {
          joined = "HardSwish";
        }
        if (joined == nullptr) continue;
        gate->outputs.clear();
        Replace(node, joined, x);
        break;
      }
    }
  }

 private:
  static bool Near(const Node& node, const char* attribute, float otherwise, float wanted) {
    const auto found = node.attributes.find(attribute);
    const float* value = found == node.attributes.end() ? nullptr : std::get_if<float>(&found->second);
    return std::abs((value == nullptr ? otherwise : *value) - wanted) < kExact;
  }

  static void Replace(Node& node, const char* op, const std::string& x) {
    const std::string input = x;
    node.op = op;
    node.inputs = {input};
    node.attributes.clear();
  }

  // The node that makes `value`, if it is an `op` of a number and of something else, and nothing else reads it.
  struct Scaled {
    Node* node = nullptr;
    std::string other;
    double number = 0;
  };
  std::optional<Scaled> AsScaled(Node* node, const char* op) {
    if (node == nullptr || node->op != op || node->inputs.size() != 2) return std::nullopt;
    for (const size_t side : {1, 0}) {
      if (const std::optional<double> number = index_.Number(*node, side); number.has_value()) {
        if (side == 0 && node->op == "Div") return std::nullopt;
        return Scaled{.node = node, .other = node->inputs[1 - side], .number = *number};
      }
    }
    return std::nullopt;
  }
  // The nodes of Erf(x / sqrt(2)) + 1 that make `value`, and x; empty if it is something else.
  struct ErfTerm {
    std::vector<Node*> nodes;
    std::string x;
  };
  std::optional<ErfTerm> AsErfTerm(const std::string& value) {
    const std::optional<Scaled> plus = AsScaled(index_.Maker(value), "Add");
    if (!plus.has_value() || std::abs(plus->number - 1) > kExact || !index_.ReadOnce(value)) return std::nullopt;
    Node* const erf = index_.Maker(plus->other);
    if (erf == nullptr || erf->op != "Erf" || !index_.ReadOnce(plus->other) || !index_.ReadOnce(erf->inputs[0]))
      return std::nullopt;
    std::optional<Scaled> scaled = AsScaled(index_.Maker(erf->inputs[0]), "Div");
    double divisor = scaled.has_value() ? scaled->number : 0;
    if (!scaled.has_value()) {
      scaled = AsScaled(index_.Maker(erf->inputs[0]), "Mul");
      divisor = scaled.has_value() && scaled->number != 0 ? 1 / scaled->number : 0;
    }
    if (!scaled.has_value() || std::abs(divisor - std::sqrt(2.0)) > 1e-5) return std::nullopt;
    return ErfTerm{.nodes = {plus->node, erf, scaled->node}, .x = scaled->other};
  }

  // 0.5 * (x * (Erf(x / sqrt(2)) + 1)) or (0.5 * x) * (Erf(x / sqrt(2)) + 1).
  bool JoinGelu(Node& node) {
    if (const std::optional<Scaled> half = AsScaled(&node, "Mul");
        half.has_value() && std::abs(half->number - 0.5) < kExact && index_.ReadOnce(half->other)) {
      Node* const product = index_.Maker(half->other);
      if (product == nullptr || product->op != "Mul") return false;
      for (const size_t side : {0, 1}) {
        const std::optional<ErfTerm> term = AsErfTerm(product->inputs[side]);
        if (!term.has_value() || product->inputs[1 - side] != term->x) continue;
        product->outputs.clear();
        FinishGelu(node, *term);
        return true;
      }
      return false;
    }
    for (const size_t side : {0, 1}) {
      const std::optional<ErfTerm> term = AsErfTerm(node.inputs[side]);
      if (!term.has_value()) continue;
      const std::optional<Scaled> half = AsScaled(index_.Maker(node.inputs[1 - side]), "Mul");
      if (!half.has_value() || half->other != term->x || std::abs(half->number - 0.5) > kExact) continue;
      if (!index_.ReadOnce(node.inputs[1 - side])) continue;
      half->node->outputs.clear();
      FinishGelu(node, *term);
      return true;
    }
    return false;
  }

  static void FinishGelu(Node& node, const ErfTerm& term) {
    for (Node* part : term.nodes) part->outputs.clear();
    Replace(node, "Gelu", term.x);
  }

  Graph& graph_;
  GraphIndex& index_;
};

class Rewriter {
 public:
  explicit Rewriter(Graph& graph) : graph_(graph), index_(graph) {}

  absl::Status Run() {
    RETURN_IF_ERROR(ComputeConstants());
    DropIdentities();
    index_.Update();
    FoldIntoConvolutions();
    index_.Update();
    ActivationJoiner(graph_, index_).Join();
    index_.Update();
    FuseIntoConvolutions();
    DropUnused();
    return absl::OkStatus();
  }

 private:
  // Nodes whose inputs are all known.
  absl::Status ComputeConstants() {
    std::vector<Node> left;
    for (Node& node : graph_.nodes) {
      RETURN_IF_ERROR(FindOperator(graph_, node).status());
      const bool known = std::all_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& input) {
        return input.empty() || graph_.constants.contains(input);
      });
      if (!known) {
        left.push_back(std::move(node));
        continue;
      }
      ASSIGN_OR_RETURN(const Kernel kernel, MakeKernel(graph_, node, at::kCPU, at::kFloat));
      std::vector<at::Tensor> inputs;
      for (const std::string& input : node.inputs) {
        inputs.push_back(input.empty() ? at::Tensor() : graph_.constants.at(input));
      }
      Outputs outputs;
      kernel(Inputs(inputs), outputs);
      for (size_t i = 0; i < node.outputs.size() && i < outputs.size(); ++i) {
        if (!node.outputs[i].empty()) graph_.constants[node.outputs[i]] = Widened(outputs[i]).contiguous();
      }
    }
    graph_.nodes = std::move(left);
    return absl::OkStatus();
  }

  void DropIdentities() {
    std::unordered_map<std::string, std::string> same;
    std::vector<Node> left;
    for (Node& node : graph_.nodes) {
      for (std::string& input : node.inputs) {
        if (const auto found = same.find(input); found != same.end()) input = found->second;
      }
      const bool identity = node.op == "Identity" || (node.op == "Dropout" && node.outputs.size() == 1);
      if (identity && !index_.outputs().contains(node.outputs.at(0))) {
        same[node.outputs[0]] = node.inputs.at(0);
      } else {
        left.push_back(std::move(node));
      }
    }
    graph_.nodes = std::move(left);
  }

  // `constant` as one number for each of `channels`, or undefined if it is not.
  static at::Tensor PerChannel(const at::Tensor& constant, int64_t channels, int64_t rank) {
    if (!constant.defined() || constant.scalar_type() != at::kFloat || constant.dim() > rank) return {};
    if (constant.numel() == 1) return constant.reshape({1}).expand({channels});
    const int64_t axis = constant.dim() - (rank - 1);
    if (axis < 0 || constant.numel() != channels || constant.size(axis) != channels) return {};
    return constant.reshape({channels});
  }

  struct Affine {
    at::Tensor scale;
    at::Tensor shift;
  };

  // What `node` does to its first or second input, the output of a convolution with that many channels.
  std::optional<Affine> AffineOf(const Node& node, const std::string& value, int64_t channels, int64_t rank) const {
    const at::Tensor ones = at::ones({channels});
    const at::Tensor zeros = at::zeros({channels});
    if (node.op == "BatchNormalization") {
      std::array<at::Tensor, 4> of;
      for (size_t i = 0; i < of.size(); ++i) {
        of[i] = index_.Constant(node, i + 1);
        if (!of[i].defined() || of[i].numel() != channels) return std::nullopt;
      }
      const auto found = node.attributes.find("epsilon");
      const float* epsilon = found == node.attributes.end() ? nullptr : std::get_if<float>(&found->second);
      // In float64: the quotient must not add errors to every weight.
      const at::Tensor scale =
          of[0].to(at::kDouble) / at::sqrt(of[3].to(at::kDouble) + (epsilon != nullptr ? *epsilon : 1e-5F));
      return Affine{.scale = scale.to(at::kFloat), .shift = (of[1] - of[2] * scale).to(at::kFloat)};
    }
    if (node.op != "Add" && node.op != "Mul" && node.op != "Sub" && node.op != "Div") return std::nullopt;
    const bool first = node.inputs[0] == value;
    if (!first && (node.op == "Sub" || node.op == "Div")) return std::nullopt;
    const at::Tensor other = PerChannel(index_.Constant(node, first ? 1 : 0), channels, rank);
    if (!other.defined()) return std::nullopt;
    if (node.op == "Add") return Affine{.scale = ones, .shift = other};
    if (node.op == "Sub") return Affine{.scale = ones, .shift = -other};
    if (node.op == "Mul") return Affine{.scale = other, .shift = zeros};
    return Affine{.scale = at::reciprocal(other), .shift = zeros};
  }

  void FoldIntoConvolutions() {
    for (Node& node : graph_.nodes) {
      for (const std::string& input : node.inputs) {
        Node* const layer = index_.Maker(input);
        if (layer == nullptr || (layer->op != "Conv" && layer->op != "ConvTranspose") || !index_.ReadOnce(input))
          continue;
        if (Fold(*layer, node, input)) break;
      }
    }
  }

  bool Fold(Node& layer, Node& node, const std::string& value) {
    const at::Tensor weight = index_.Constant(layer, 1);
    const bool has_bias = layer.inputs.size() > 2 && !layer.inputs[2].empty();
    if (!weight.defined() || weight.scalar_type() != at::kFloat || weight.dim() < 3) return false;
    if (has_bias && !index_.Constant(layer, 2).defined()) return false;
    const auto found = layer.attributes.find("group");
    const int64_t* given = found == layer.attributes.end() ? nullptr : std::get_if<int64_t>(&found->second);
    const int64_t groups = given == nullptr ? 1 : *given;
    const bool transposed = layer.op == "ConvTranspose";
    const int64_t channels = transposed ? weight.size(1) * groups : weight.size(0);
    const std::optional<Affine> affine = AffineOf(node, value, channels, weight.dim());
    if (!affine.has_value()) return false;

    std::vector<int64_t> factor(static_cast<size_t>(weight.dim()), 1);
    at::Tensor scaled;
    if (transposed) {
      // [in, out / groups, ...], where each group of inputs has its own outputs.
      std::vector<int64_t> sides(weight.sizes().begin(), weight.sizes().end());
      sides[0] = groups;
      sides.insert(sides.begin() + 1, weight.size(0) / groups);
      factor.insert(factor.begin(), groups);
      factor[2] = channels / groups;
      scaled = (weight.reshape(sides) * affine->scale.reshape(factor)).reshape(weight.sizes());
    } else {
      factor[0] = channels;
      scaled = weight * affine->scale.reshape(factor);
    }
    const at::Tensor bias =
        has_bias ? at::addcmul(affine->shift, index_.Constant(layer, 2).to(at::kFloat), affine->scale) : affine->shift;
    layer.inputs.resize(3);
    layer.inputs[1] = AddConstant(scaled.contiguous());
    layer.inputs[2] = AddConstant(bias.contiguous());
    index_.SetMaker(node.outputs[0], value);
    layer.outputs[0] = node.outputs[0];
    node.outputs.clear();
    return true;
  }

  std::string AddConstant(at::Tensor value) {
    std::string name = absl::StrCat("rewritten/", added_++);
    while (graph_.constants.contains(name) || index_.MakesAny(name)) name += "_";
    graph_.constants[name] = std::move(value);
    return name;
  }

  // An activation that reads a convolution's output alone runs right on it.
  void FuseIntoConvolutions() {
    static const auto& activations = *new std::unordered_set<std::string>(
        {"Relu", "Silu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Gelu", "Elu", "Mish"});
    for (Node& node : graph_.nodes) {
      if (node.inputs.size() != 1 || !activations.contains(node.op)) continue;
      Node* const layer = index_.Maker(node.inputs[0]);
      if (layer == nullptr || layer->op != "Conv" || layer->fused != nullptr || !index_.ReadOnce(node.inputs[0]))
        continue;
      const std::string output = node.outputs[0];
      index_.SetMaker(output, node.inputs[0]);
      layer->fused = std::make_shared<Node>(node);
      layer->outputs[0] = output;
      node.outputs.clear();
    }
    index_.Update();
  }

  void DropUnused() {
    std::unordered_set<std::string> used = index_.outputs();
    for (size_t i = graph_.nodes.size(); i-- > 0;) {
      Node& node = graph_.nodes[i];
      const bool needed = std::any_of(node.outputs.begin(), node.outputs.end(),
                                      [&](const std::string& output) { return used.contains(output); });
      if (!needed) {
        node.outputs.clear();
        continue;
      }
      used.insert(node.inputs.begin(), node.inputs.end());
    }
    std::erase_if(graph_.nodes, [](const Node& node) { return node.outputs.empty(); });
    std::erase_if(graph_.constants, [&](const auto& constant) { return !used.contains(constant.first); });
  }

  Graph& graph_;
  GraphIndex index_;
  int added_ = 0;
};

}  // namespace

absl::Status RewriteGraph(Graph& graph) { return Rewriter(graph).Run(); }

}  // namespace reelsight::inference
