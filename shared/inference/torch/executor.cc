// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/executor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/torch/kernel_factory.h"

namespace reelsight::inference {
namespace {

constexpr size_t kMostPlans = 8;

bool HasBit(uint32_t bits, size_t i) { return i < 32 && (bits >> i & 1U) != 0; }

bool ReadsShapeOnly(const Node& node) { return node.op == "Shape" || node.op == "Size"; }

// Which values are known once the shapes of the inputs are, see Note [Shapes are known].
class Knowledge {
 public:
  explicit Knowledge(const Graph& graph) {
    for (const auto& [name, tensor] : graph.constants) known_.insert(name);
  }

  // In the order of the graph. True if the outputs of `node` are known.
  bool Add(const Node& node, const OperatorDef& operator_def) {
    bool all_known = true;
    bool shape_known = !operator_def.data_dependent_shape;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::string& input = node.inputs[i];
      if (input.empty()) continue;
      const bool known = known_.contains(input);
      all_known = all_known && known;
      if (open_shape_.contains(input)) shape_known = false;
      if (HasBit(operator_def.host_inputs, i) && !known) shape_known = false;
    }
    const bool known = all_known || (ReadsShapeOnly(node) && !open_shape_.contains(node.inputs.at(0)));
    for (const std::string& output : node.outputs) {
      if (known) known_.insert(output);
      if (!known && !shape_known) open_shape_.insert(output);
    }
    return known;
  }

 private:
  std::unordered_set<std::string> known_;
  // Values whose shape depends on values.
  std::unordered_set<std::string> open_shape_;
};

}  // namespace

Executor::Executor(at::Device device, size_t slots)
    : device_(device),
      kinds_(slots, Kind::kComputed),
      read_on_device_(slots, false),
      host_constants_(slots),
      device_constants_(slots) {}

absl::StatusOr<std::unique_ptr<Executor>> Executor::Create(Graph graph, at::Device device,
                                                           at::ScalarType compute_type) {
  std::unordered_map<std::string, Slot> slots;
  const auto slot_of = [&slots](const std::string& name) {
    return name.empty() ? -1 : slots.try_emplace(name, static_cast<Slot>(slots.size())).first->second;
  };
  for (const TensorSpec& input : graph.inputs) slot_of(input.name);
  for (const auto& [name, tensor] : graph.constants) slot_of(name);
  for (const Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) slot_of(output);
  }
  auto executor = std::unique_ptr<Executor>(new Executor(device, slots.size()));
  for (const TensorSpec& input : graph.inputs) executor->inputs_.push_back(slot_of(input.name));
  for (const TensorSpec& output : graph.outputs) executor->outputs_.push_back(slot_of(output.name));
  for (const auto& [name, tensor] : graph.constants) {
    executor->kinds_[static_cast<size_t>(slot_of(name))] = Kind::kConstant;
  }

  Knowledge knowledge(graph);
  for (const Node& node : graph.nodes) {
    ASSIGN_OR_RETURN(const OperatorDef* operator_def, FindOperator(graph, node));
    Step step{.text = absl::StrCat(node.name, " (", node.op, ")"), .host_inputs = operator_def->host_inputs};
    step.known = knowledge.Add(node, *operator_def);
    ASSIGN_OR_RETURN(step.kernel, step.known ? MakeKernel(graph, node, at::kCPU, at::kFloat)
                                             : MakeKernel(graph, node, device, compute_type));
    for (const std::string& input : node.inputs) step.inputs.push_back(slot_of(input));
    for (const std::string& output : node.outputs) {
      step.outputs.push_back(slot_of(output));
      if (step.known && !output.empty()) executor->kinds_[static_cast<size_t>(step.outputs.back())] = Kind::kKnown;
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] < 0) continue;
      const auto slot = static_cast<size_t>(step.inputs[i]);
      const bool on_host = ReadOnHost(step, i);
      if (!on_host) executor->read_on_device_[slot] = true;
      if (executor->kinds_[slot] != Kind::kConstant) continue;
      const at::Tensor& constant = graph.constants.at(node.inputs[i]);
      if (HasBit(operator_def->kept_inputs, i) && constant.scalar_type() == at::kFloat) {
        executor->constant_bytes_ += constant.numel() * static_cast<int64_t>(c10::elementSize(compute_type));
      } else if (on_host) {
        executor->host_constants_[slot] = constant;
      } else if (!executor->device_constants_[slot].defined()) {
        executor->device_constants_[slot] = constant.to(device);
        executor->constant_bytes_ += static_cast<int64_t>(constant.nbytes());
      }
    }
    executor->steps_.push_back(std::move(step));
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const auto slot = static_cast<size_t>(executor->outputs_[i]);
    if (executor->kinds_[slot] == Kind::kConstant) {
      executor->host_constants_[slot] = graph.constants.at(graph.outputs[i].name);
    }
  }
  executor->FindLastReaders();
  return executor;
}

bool Executor::ReadOnHost(const Step& step, size_t input) { return step.known || HasBit(step.host_inputs, input); }

void Executor::FindLastReaders() {
  std::vector<bool> read(kinds_.size(), false);
  std::vector<bool> read_by_computed(kinds_.size(), false);
  for (const Slot output : outputs_)
    read[static_cast<size_t>(output)] = read_by_computed[static_cast<size_t>(output)] = true;
  for (size_t s = steps_.size(); s-- > 0;) {
    Step& step = steps_[s];
    step.last_of_all.assign(step.inputs.size(), false);
    step.last_of_computed.assign(step.inputs.size(), false);
    for (size_t i = step.inputs.size(); i-- > 0;) {
      if (step.inputs[i] < 0) continue;
      const auto slot = static_cast<size_t>(step.inputs[i]);
      step.last_of_all[i] = !read[slot];
      read[slot] = true;
      if (step.known) continue;
      step.last_of_computed[i] = !read_by_computed[slot];
      read_by_computed[slot] = true;
    }
  }
}

std::vector<at::Tensor> Executor::Run(std::vector<at::Tensor> inputs, const std::string** node) const {
  std::vector<std::vector<int64_t>> shapes;
  for (const at::Tensor& input : inputs) shapes.push_back(input.sizes().vec());
  if (const std::shared_ptr<const Plan> plan = FindPlan(shapes); plan != nullptr) {
    return Execute(inputs, plan.get(), nullptr, node);
  }
  auto made = std::make_shared<Plan>();
  made->shapes = std::move(shapes);
  made->host.resize(kinds_.size());
  made->device.resize(kinds_.size());
  std::vector<at::Tensor> outputs = Execute(inputs, nullptr, made.get(), node);
  for (size_t slot = 0; slot < kinds_.size(); ++slot) {
    if (made->host[slot].defined()) made->bytes += static_cast<int64_t>(made->host[slot].nbytes());
    if (made->device[slot].defined() && made->device[slot].is_cuda()) {
      made->bytes += static_cast<int64_t>(made->device[slot].nbytes());
    }
  }
  KeepPlan(std::move(made));
  return outputs;
}

std::vector<at::Tensor> Executor::Execute(const std::vector<at::Tensor>& inputs, const Plan* plan, Plan* made,
                                          const std::string** node) const {
  const Plan& known = plan != nullptr ? *plan : *made;
  std::vector<at::Tensor> values(kinds_.size());
  for (size_t i = 0; i < inputs.size(); ++i) values[static_cast<size_t>(inputs_[i])] = inputs[i];
  std::vector<at::Tensor> arguments;
  Outputs results;
  for (const Step& step : steps_) {
    if (step.known && plan != nullptr) continue;
    *node = &step.text;
    const std::vector<bool>& last = plan != nullptr ? step.last_of_computed : step.last_of_all;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] < 0) {
        arguments.emplace_back();
        continue;
      }
      const auto slot = static_cast<size_t>(step.inputs[i]);
      const bool on_host = ReadOnHost(step, i);
      if (kinds_[slot] == Kind::kConstant) {
        arguments.push_back(on_host ? host_constants_[slot] : device_constants_[slot]);
      } else if (kinds_[slot] == Kind::kKnown) {
        arguments.push_back(on_host ? known.host[slot] : known.device[slot]);
      } else if (last[i]) {
        arguments.push_back(std::move(values[slot]));
      } else {
        arguments.push_back(values[slot]);
      }
    }
    step.kernel(Inputs(arguments), results);
    TORCH_CHECK(results.size() >= step.outputs.size(), "an operator with ", results.size(), " outputs");
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      if (step.outputs[i] < 0) continue;
      const auto slot = static_cast<size_t>(step.outputs[i]);
      if (step.known) {
        made->host[slot] = results[i];
        if (read_on_device_[slot]) made->device[slot] = results[i].to(device_);
      } else {
        values[slot] = std::move(results[i]);
      }
    }
    arguments.clear();
    results.clear();
  }
  std::vector<at::Tensor> outputs;
  for (const Slot output : outputs_) {
    const auto slot = static_cast<size_t>(output);
    if (kinds_[slot] == Kind::kConstant) {
      outputs.push_back(host_constants_[slot]);
    } else {
      outputs.push_back(kinds_[slot] == Kind::kKnown ? known.host[slot] : values[slot]);
    }
  }
  return outputs;
}

std::shared_ptr<const Executor::Plan> Executor::FindPlan(const std::vector<std::vector<int64_t>>& shapes) const {
  const MutexLock lock(mutex_);
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& plan) { return plan->shapes == shapes; });
  if (found == plans_.end()) return nullptr;
  plans_.splice(plans_.begin(), plans_, found);
  return plans_.front();
}

void Executor::KeepPlan(std::shared_ptr<const Plan> plan) const {
  // Let go of after the lock.
  std::shared_ptr<const Plan> dropped;
  const MutexLock lock(mutex_);
  plans_.push_front(std::move(plan));
  if (plans_.size() > kMostPlans) {
    dropped = std::move(plans_.back());
    plans_.pop_back();
  }
}

int64_t Executor::resident_bytes() const {
  const MutexLock lock(mutex_);
  int64_t bytes = constant_bytes_;
  for (const auto& plan : plans_) bytes += plan->bytes;
  return bytes;
}

}  // namespace reelsight::inference
