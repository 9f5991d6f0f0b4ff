// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/onnx_reader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "onnx/onnx-ml.pb.h"
#include "shared/base/status.h"
#include "shared/inference/torch/mapped_file.h"

namespace reelsight::inference {
namespace {

// The first opset with today's meaning of the operators, and the last one that was looked at.
constexpr int64_t kOldestOpset = 7;
constexpr int64_t kNewestOpset = 24;

absl::Status Corrupt(const std::string& path, const std::string& what) {
  return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt, absl::StrCat("cannot read ", path, ": ", what));
}

std::optional<at::ScalarType> ScalarTypeOf(int onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT:
      return at::kFloat;
    case onnx::TensorProto::UINT8:
      return at::kByte;
    case onnx::TensorProto::INT8:
      return at::kChar;
    case onnx::TensorProto::INT16:
      return at::kShort;
    case onnx::TensorProto::INT32:
      return at::kInt;
    case onnx::TensorProto::INT64:
      return at::kLong;
    case onnx::TensorProto::BOOL:
      return at::kBool;
    case onnx::TensorProto::FLOAT16:
      return at::kHalf;
    case onnx::TensorProto::DOUBLE:
      return at::kDouble;
    case onnx::TensorProto::BFLOAT16:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

std::optional<DType> DTypeOf(int onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT:
      return DType::kFloat32;
    case onnx::TensorProto::FLOAT16:
      return DType::kFloat16;
    case onnx::TensorProto::UINT8:
      return DType::kUint8;
    case onnx::TensorProto::INT32:
      return DType::kInt32;
    case onnx::TensorProto::INT64:
      return DType::kInt64;
    case onnx::TensorProto::BOOL:
      return DType::kBool;
    default:
      return std::nullopt;
  }
}

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<Graph> Read() {
    onnx::ModelProto model;
    {
      ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path_));
      if (file->size() > INT32_MAX || !model.ParseFromArray(file->data(), static_cast<int>(file->size()))) {
        return Corrupt(path_, "it is no ONNX model, or a damaged one");
      }
    }
    if (!model.has_graph()) return Corrupt(path_, "it holds no graph");
    Graph graph;
    graph.path = path_;
    for (const onnx::OperatorSetIdProto& opset : model.opset_import()) {
      if (opset.domain().empty() || opset.domain() == "ai.onnx") graph.opset = opset.version();
    }
    if (graph.opset < kOldestOpset || graph.opset > kNewestOpset) {
      return absl::UnimplementedError(absl::StrCat(path_, ": opset ", graph.opset, " is not supported, only ",
                                                   kOldestOpset, " to ", kNewestOpset, "; export it again"));
    }
    onnx::GraphProto& source = *model.mutable_graph();
    if (source.sparse_initializer_size() > 0) {
      return absl::UnimplementedError(absl::StrCat(path_, ": sparse tensors are not supported"));
    }
    for (onnx::TensorProto& tensor : *source.mutable_initializer()) {
      ASSIGN_OR_RETURN(graph.constants[tensor.name()], ToTensor(tensor));
    }
    for (const onnx::ValueInfoProto& value : source.input()) {
      // Old files list the constants among the inputs.
      if (graph.constants.contains(value.name())) continue;
      ASSIGN_OR_RETURN(TensorSpec spec, ToSpec(value));
      graph.inputs.push_back(std::move(spec));
    }
    for (const onnx::ValueInfoProto& value : source.output()) {
      ASSIGN_OR_RETURN(TensorSpec spec, ToSpec(value));
      graph.outputs.push_back(std::move(spec));
    }
    for (onnx::NodeProto& node : *source.mutable_node()) {
      ASSIGN_OR_RETURN(Node ours, ToNode(node));
      graph.nodes.push_back(std::move(ours));
    }
    RETURN_IF_ERROR(CheckNames(graph));
    return graph;
  }

 private:
  absl::StatusOr<at::Tensor> ToTensor(onnx::TensorProto& tensor) {
    const std::optional<at::ScalarType> type = ScalarTypeOf(tensor.data_type());
    if (!type.has_value()) {
      return absl::UnimplementedError(absl::StrCat(path_, ": tensor ", tensor.name(), " has elements of ONNX type ",
                                                   tensor.data_type(), ", which is not supported"));
    }
    std::vector<int64_t> sides(tensor.dims().begin(), tensor.dims().end());
    // A product that does not fit must not pass for one that does.
    int64_t bytes = static_cast<int64_t>(c10::elementSize(*type));
    for (const int64_t side : sides) {
      if (side < 0 || __builtin_mul_overflow(bytes, side, &bytes)) {
        return Corrupt(path_, absl::StrCat("tensor ", tensor.name(), " has sides ", ShapeText(sides)));
      }
    }
    at::Tensor result;
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
      ASSIGN_OR_RETURN(result, ExternalTensor(tensor, *type, sides, bytes));
    } else if (tensor.has_raw_data()) {
      if (static_cast<int64_t>(tensor.raw_data().size()) != bytes) return WrongSize(tensor);
      const std::shared_ptr<std::string> data(tensor.release_raw_data());
      result = at::from_blob(
          data->data(), sides, [data](void*) {}, at::TensorOptions(*type));
    } else {
      result = at::empty(sides, at::TensorOptions(*type));
      if (!CopyTyped(tensor, result)) return WrongSize(tensor);
    }
    return result.scalar_type() == at::kHalf || result.scalar_type() == at::kBFloat16 ? result.to(at::kFloat) : result;
  }

  absl::Status WrongSize(const onnx::TensorProto& tensor) const {
    return Corrupt(path_, absl::StrCat("tensor ", tensor.name(), " has not as many elements as its sides say"));
  }

  absl::StatusOr<at::Tensor> ExternalTensor(const onnx::TensorProto& tensor, at::ScalarType type,
                                            const std::vector<int64_t>& sides, int64_t bytes) {
    std::string location;
    uint64_t offset = 0;
    for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
      if (entry.key() == "location") location = entry.value();
      if (entry.key() == "offset" && !absl::SimpleAtoi(entry.value(), &offset)) {
        return Corrupt(path_, absl::StrCat("tensor ", tensor.name(), " has offset ", entry.value()));
      }
    }
    const std::filesystem::path relative = std::filesystem::path(location).lexically_normal();
    if (location.empty() || relative.is_absolute() || *relative.begin() == "..") {
      return Corrupt(path_,
                     absl::StrCat("tensor ", tensor.name(), " is in ", location, ", outside the model's folder"));
    }
    std::shared_ptr<const MappedFile>& file = external_[relative.string()];
    if (file == nullptr) {
      ASSIGN_OR_RETURN(file, MappedFile::Open((std::filesystem::path(path_).parent_path() / relative).string()));
    }
    if (offset > file->size() || static_cast<uint64_t>(bytes) > file->size() - offset) return WrongSize(tensor);
    return at::from_blob(
        const_cast<std::byte*>(file->data()) + offset, sides, [file](void*) {}, at::TensorOptions(type));
  }

  template <typename To, typename Values>
  static bool Copy(const Values& values, at::Tensor& to) {
    if (values.size() != to.numel()) return false;
    std::transform(values.begin(), values.end(), static_cast<To*>(to.mutable_data_ptr()),
                   [](auto value) { return static_cast<To>(value); });
    return true;
  }

  static bool CopyTyped(const onnx::TensorProto& from, at::Tensor& to) {
    switch (to.scalar_type()) {
      case at::kFloat:
        return Copy<float>(from.float_data(), to);
      case at::kDouble:
        return Copy<double>(from.double_data(), to);
      case at::kLong:
        return Copy<int64_t>(from.int64_data(), to);
      case at::kInt:
        return Copy<int32_t>(from.int32_data(), to);
      case at::kShort:
      case at::kHalf:
      case at::kBFloat16:
        return Copy<int16_t>(from.int32_data(), to);
      default:
        return Copy<int8_t>(from.int32_data(), to);
    }
  }

  absl::StatusOr<TensorSpec> ToSpec(const onnx::ValueInfoProto& value) const {
    const std::optional<DType> type = DTypeOf(value.type().tensor_type().elem_type());
    if (!value.type().has_tensor_type() || !type.has_value()) {
      return absl::UnimplementedError(absl::StrCat(path_, ": ", value.name(), " is no tensor of a supported type"));
    }
    TensorSpec spec{.name = value.name(), .type = *type};
    for (const auto& side : value.type().tensor_type().shape().dim()) {
      // Zero, which no input can have, is what some exporters write for an open side.
      spec.shape.push_back(side.has_dim_value() && side.dim_value() > 0 ? side.dim_value() : -1);
    }
    return spec;
  }

  absl::StatusOr<Node> ToNode(onnx::NodeProto& source) {
    Node node;
    node.op = source.op_type();
    node.domain = source.domain() == "ai.onnx" ? "" : source.domain();
    node.name = source.name();
    if (node.name.empty() && source.output_size() > 0) node.name = source.output(0);
    node.inputs.assign(source.input().begin(), source.input().end());
    node.outputs.assign(source.output().begin(), source.output().end());
    for (onnx::AttributeProto& attribute : *source.mutable_attribute()) {
      ASSIGN_OR_RETURN(node.attributes[attribute.name()], ToAttribute(node, attribute));
    }
    return node;
  }

  absl::StatusOr<Attribute> ToAttribute(const Node& node, onnx::AttributeProto& attribute) {
    switch (attribute.type()) {
      case onnx::AttributeProto::INT:
        return attribute.i();
      case onnx::AttributeProto::FLOAT:
        return attribute.f();
      case onnx::AttributeProto::STRING:
        return attribute.s();
      case onnx::AttributeProto::INTS:
        return std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end());
      case onnx::AttributeProto::FLOATS:
        return std::vector<float>(attribute.floats().begin(), attribute.floats().end());
      case onnx::AttributeProto::TENSOR: {
        ASSIGN_OR_RETURN(at::Tensor tensor, ToTensor(*attribute.mutable_t()));
        return tensor;
      }
      case onnx::AttributeProto::STRINGS: {
        // Joined: only LSTM and its like have them, and only their defaults are supported.
        std::string joined;
        for (const std::string& text : attribute.strings()) absl::StrAppend(&joined, joined.empty() ? "" : ",", text);
        return joined;
      }
      case onnx::AttributeProto::GRAPH:
        return Subgraph{};
      default:
        return absl::UnimplementedError(absl::StrCat(path_, ": attribute ", attribute.name(), " of node ", node.name,
                                                     " (", node.op, ") has a type that is not supported"));
    }
  }

  // Every value must be made before it is read, and once.
  absl::Status CheckNames(const Graph& graph) const {
    std::unordered_set<std::string> known;
    for (const auto& [name, tensor] : graph.constants) known.insert(name);
    for (const TensorSpec& input : graph.inputs) known.insert(input.name);
    for (const Node& node : graph.nodes) {
      for (const std::string& input : node.inputs) {
        if (!input.empty() && !known.contains(input)) {
          return Corrupt(path_, absl::StrCat("node ", node.name, " (", node.op, ") reads ", input,
                                             ", which no earlier node makes"));
        }
      }
      for (const std::string& output : node.outputs) {
        if (!output.empty() && !known.insert(output).second) {
          return Corrupt(path_, absl::StrCat("node ", node.name, " (", node.op, ") makes ", output, " again"));
        }
      }
    }
    for (const TensorSpec& output : graph.outputs) {
      if (!known.contains(output.name)) return Corrupt(path_, absl::StrCat("nothing makes the output ", output.name));
    }
    return absl::OkStatus();
  }

  const std::string path_;
  std::unordered_map<std::string, std::shared_ptr<const MappedFile>> external_;
};

}  // namespace

absl::StatusOr<Graph> ReadOnnx(const std::string& path) { return Reader(path).Read(); }

}  // namespace reelsight::inference
