// SPDX-License-Identifier: Apache-2.0
//
// LSTM and GRU with their default activations. Gates are put into ATen's order once, at load.
#include <ATen/ATen.h>

#include <array>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

enum class Cell { kLstm, kGru };

// One direction's weights, gates in ATen's order.
struct Direction {
  at::Tensor input_weight;
  at::Tensor state_weight;
  at::Tensor input_bias;
  at::Tensor state_bias;
};

// Rows of `tensor` are gates of `hidden` rows each; gives them in the order `gates`.
at::Tensor Reordered(const at::Tensor& tensor, const std::vector<int64_t>& gates, int64_t hidden) {
  std::vector<at::Tensor> parts;
  for (const int64_t gate : gates) parts.push_back(tensor.narrow(0, gate * hidden, hidden));
  return at::cat(parts).contiguous();
}

struct Recurrent {
  Cell cell;
  at::ScalarType type;
  bool reverse = false;
  bool batch_first = false;
  // GRU whose reset gate works before the product with the state, which ATen's does not.
  bool reset_before = false;
  std::vector<Direction> directions;

  void operator()(Inputs in, Outputs& out) const {
    at::Tensor x = in[0].to(type);
    if (batch_first) x = x.transpose(0, 1);
    if (reverse) x = x.flip(0);
    const int64_t hidden = directions[0].state_weight.size(1);
    const auto count = static_cast<int64_t>(directions.size());
    const auto initial = [&](size_t input) {
      const at::Tensor given = InputOr(in, input);
      if (!given.defined()) return at::zeros({count, x.size(1), hidden}, x.options());
      return (batch_first ? given.transpose(0, 1) : given).to(type).contiguous();
    };
    const at::Tensor h0 = initial(5);
    at::Tensor y;
    at::Tensor h;
    at::Tensor c;
    if (cell == Cell::kLstm) {
      std::tie(y, h, c) = at::lstm(x, {h0, initial(6)}, Parameters(), true, 1, 0, false, count == 2, false);
    } else if (reset_before) {
      std::tie(y, h) = GruResetBefore(x, h0);
    } else {
      std::tie(y, h) = at::gru(x, h0, Parameters(), true, 1, 0, false, count == 2, false);
    }
    if (reverse) y = y.flip(0);
    // [steps, batch, directions * hidden] -> [steps, directions, batch, hidden]
    y = y.reshape({y.size(0), y.size(1), count, hidden}).transpose(1, 2);
    out.push_back(batch_first ? y.permute({2, 0, 1, 3}) : y);
    out.push_back(batch_first ? h.transpose(0, 1) : h);
    if (c.defined()) out.push_back(batch_first ? c.transpose(0, 1) : c);
  }

  std::vector<at::Tensor> Parameters() const {
    std::vector<at::Tensor> parameters;
    for (const Direction& d : directions) {
      parameters.insert(parameters.end(), {d.input_weight, d.state_weight, d.input_bias, d.state_bias});
    }
    return parameters;
  }

  std::tuple<at::Tensor, at::Tensor> GruResetBefore(const at::Tensor& x, const at::Tensor& h0) const {
    std::vector<at::Tensor> sequences;
    std::vector<at::Tensor> states;
    for (size_t i = 0; i < directions.size(); ++i) {
      const Direction& d = directions[i];
      const bool backward = i == 1;
      const at::Tensor gates = at::linear(backward ? x.flip(0) : x, d.input_weight, d.input_bias + d.state_bias);
      const int64_t hidden = d.state_weight.size(1);
      const at::Tensor reset_update = d.state_weight.narrow(0, 0, 2 * hidden);
      const at::Tensor candidate = d.state_weight.narrow(0, 2 * hidden, hidden);
      at::Tensor h = h0[static_cast<int64_t>(i)];
      std::vector<at::Tensor> steps;
      for (int64_t t = 0; t < x.size(0); ++t) {
        const at::Tensor both = at::sigmoid(gates[t].narrow(-1, 0, 2 * hidden) + at::linear(h, reset_update));
        const at::Tensor update = both.narrow(-1, hidden, hidden);
        const at::Tensor fresh =
            at::tanh(gates[t].narrow(-1, 2 * hidden, hidden) + at::linear(both.narrow(-1, 0, hidden) * h, candidate));
        h = fresh + update * (h - fresh);
        steps.push_back(h);
      }
      const at::Tensor sequence = at::stack(steps);
      sequences.push_back(backward ? sequence.flip(0) : sequence);
      states.push_back(h);
    }
    return {at::cat(sequences, -1), at::stack(states)};
  }
};

absl::StatusOr<Kernel> MakeRecurrent(const OperatorContext& context, Cell cell) {
  const char* const name = cell == Cell::kLstm ? "LSTM" : "GRU";
  const std::string direction = context.String("direction", "forward");
  const size_t count = direction == "bidirectional" ? 2 : 1;
  std::string defaults = cell == Cell::kLstm ? "sigmoid,tanh,tanh" : "sigmoid,tanh";
  if (count == 2) defaults = absl::StrCat(defaults, ",", defaults);
  if (absl::AsciiStrToLower(context.String("activations", defaults.c_str())) != defaults) {
    return absl::UnimplementedError(absl::StrCat(name, " with activations ", context.String("activations", "")));
  }
  if (context.Has("clip") || context.Int("input_forget", 0) != 0) {
    return absl::UnimplementedError(absl::StrCat(name, " with clip or input_forget"));
  }
  if (context.HasInput(4)) return absl::UnimplementedError(absl::StrCat(name, " with sequence_lens"));
  if (cell == Cell::kLstm && context.HasInput(7)) return absl::UnimplementedError("LSTM with peepholes");
  const at::Tensor w = context.Constant(1);
  const at::Tensor r = context.Constant(2);
  if (!w.defined() || !r.defined() || (context.HasInput(3) && !context.Constant(3).defined())) {
    return absl::UnimplementedError(absl::StrCat(name, " whose weights are no constants"));
  }
  if (w.dim() != 3 || r.dim() != 3 || w.size(0) != static_cast<int64_t>(count)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " with weights of a wrong shape"));
  }
  Recurrent layer{.cell = cell, .type = context.compute_type};
  layer.reverse = direction == "reverse";
  layer.batch_first = context.Int("layout", 0) != 0;
  layer.reset_before = cell == Cell::kGru && context.Int("linear_before_reset", 0) == 0;
  const int64_t hidden = r.size(2);
  // ONNX: input, output, forget, cell; ATen: input, forget, cell, output. ONNX: update, reset, hidden; ATen: reset,
  // update, new.
  const std::vector<int64_t> gates =
      cell == Cell::kLstm ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{1, 0, 2};
  const auto gate_rows = static_cast<int64_t>(gates.size()) * hidden;
  if (w.size(1) != gate_rows || r.size(1) != gate_rows) {
    return absl::InvalidArgumentError(absl::StrCat(name, " with weights of a wrong shape"));
  }
  const auto prepared = [&](const at::Tensor& tensor) {
    return Reordered(tensor, gates, hidden).to(layer.type).to(context.device);
  };
  for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) {
    at::Tensor bias = context.HasInput(3) ? context.Constant(3)[i] : at::zeros({2 * gate_rows}, at::kFloat);
    layer.directions.push_back({.input_weight = prepared(w[i]),
                                .state_weight = prepared(r[i]),
                                .input_bias = prepared(bias.narrow(0, 0, gate_rows)),
                                .state_bias = prepared(bias.narrow(0, gate_rows, gate_rows))});
  }
  return Kernel(std::move(layer));
}

}  // namespace

void AddRecurrentOperators(OperatorTable& table) {
  table["LSTM"] = {.make = [](const OperatorContext& context) { return MakeRecurrent(context, Cell::kLstm); },
                   .min_inputs = 3,
                   .kept_inputs = 0b1110};
  table["GRU"] = {.make = [](const OperatorContext& context) { return MakeRecurrent(context, Cell::kGru); },
                  .min_inputs = 3,
                  .kept_inputs = 0b1110};
}

}  // namespace reelsight::inference
