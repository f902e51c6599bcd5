// Fused operations of src/ops with inputs as mixers and heads give them: heads of 64, convolutions of 4 taps, chunks of
// 64.

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <utility>

#include "base/random.h"
#include "bench/operation.h"
#include "ops/attention/attention.h"
#include "ops/delta_rule/delta_rule.h"
#include "ops/embedding/embedding.h"
#include "ops/linear/linear.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/scale_heads/scale_heads.h"
#include "ops/short_conv/short_conv.h"
#include "ops/ssd/ssd.h"
#include "ops/swiglu/swiglu.h"

namespace ingot {
namespace {

using Tensors = std::vector<at::Tensor>;

constexpr std::int64_t kHeadDim = 64;
constexpr std::int64_t kStateDim = 128;  // of ssd
constexpr std::int64_t kTaps = 4;
constexpr std::int64_t kChunk = 64;
constexpr double kEps = 1e-6;

std::int64_t heads_of(const BenchSizes& s) { return std::max<std::int64_t>(1, s.d_model / kHeadDim); }

/// A leaf in `type`.
at::Tensor leaf(const at::Tensor& value, const BenchSizes& s, at::ScalarType type) {
  return value.to(s.device, type).requires_grad_();
}

/// [out, in] of rows of about unit length, with an fp32 buffer for its gradient.
BenchWeight matrix(const std::string& name, std::int64_t out, std::int64_t in, const BenchSizes& s) {
  const at::Tensor value = random_normal({out, in}, 50) / std::sqrt(static_cast<double>(in));
  return {name, leaf(value, s, s.dtype), at::zeros({out, in}, at::TensorOptions(at::kFloat).device(s.device))};
}

/// Ids in 0..vocab_size-1.
at::Tensor random_ids(at::IntArrayRef shape, const BenchSizes& s) {
  at::Tensor ids = at::zeros(shape, at::kLong);
  RandomStream random(1, "ids");
  auto* data = ids.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    data[i] = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(s.vocab_size)));
  }
  return ids.to(s.device);
}

double tokens(const BenchSizes& s) { return static_cast<double>(s.tokens()); }

/// The joined projection of queries, keys and values.
DifferentiableOperation linear(const BenchSizes& s) {
  DifferentiableOperation out;
  out.inputs = {random_input({s.rows, s.seq_len, s.d_model}, s, 1)};
  out.weights = {matrix("weight", 3 * s.d_model, s.d_model, s)};
  out.forward = [w = out.weights[0]](const Tensors& in) { return ops::linear(in[0], w.value, w.grad); };
  out.reference = [](const Tensors& in, const ParamMap& w) { return at::linear(in[0], w.at("weight")); };
  out.tolerance = Tolerance::of(s.dtype).reduction(3 * s.d_model);
  out.flops = 6 * static_cast<double>(s.d_model * s.d_model) * tokens(s);
  return out;
}

DifferentiableOperation embedding(const BenchSizes& s) {
  DifferentiableOperation out;
  out.inputs = {random_ids({s.rows, s.seq_len}, s)};
  out.weights = {matrix("weight", s.vocab_size, s.d_model, s)};
  out.forward = [w = out.weights[0]](const Tensors& in) { return ops::embedding(in[0], w.value, w.grad); };
  out.reference = [](const Tensors& in, const ParamMap& w) { return at::embedding(w.at("weight"), in[0]); };
  out.tolerance = Tolerance::of(s.dtype);
  // A row read and written; its gradient read and added to one in fp32.
  out.bytes =
      static_cast<double>(s.d_model * (3 * static_cast<std::int64_t>(c10::elementSize(s.dtype)) + 8)) * tokens(s);
  return out;
}

DifferentiableOperation linear_cross_entropy(const BenchSizes& s) {
  DifferentiableOperation out;
  out.inputs = {random_input({s.tokens(), s.d_model}, s, 1), random_ids({s.tokens()}, s)};
  out.weights = {matrix("weight", s.vocab_size, s.d_model, s)};
  const auto head = [vocab = s.vocab_size](const at::Tensor& weight, const at::Tensor& grad) {
    return ops::LinearHead{weight, grad, vocab, false};
  };
  out.forward = [w = out.weights[0], head](const Tensors& in) {
    return ops::linear_cross_entropy(in[0], head(w.value, w.grad), in[1], 0).total;
  };
  out.reference = [head](const Tensors& in, const ParamMap& w) {
    return ops::linear_cross_entropy_reference(in[0], head(w.at("weight"), {}), in[1], 0);
  };
  out.tolerance = Tolerance::of(s.dtype).reduction(s.d_model);
  out.flops = 2 * static_cast<double>(s.d_model * s.vocab_size) * tokens(s);
  return out;
}

DifferentiableOperation attention(const BenchSizes& s) {
  const std::vector<std::int64_t> shape = {s.rows, s.seq_len, heads_of(s), kHeadDim};
  const double scale = 1 / std::sqrt(static_cast<double>(kHeadDim));
  DifferentiableOperation out;
  out.inputs = {random_input(shape, s, 1), random_input(shape, s, 2), random_input(shape, s, 3)};
  out.forward = [scale](const Tensors& in) { return ops::attention(in[0], in[1], in[2], {}, scale); };
  out.reference = [scale](const Tensors& in, const ParamMap&) {
    return ops::attention_reference(in[0], in[1], in[2], {}, scale);
  };
  out.tolerance = Tolerance::of(s.dtype).reduction(kHeadDim * s.seq_len).chain(3);
  const double visible = static_cast<double>(s.seq_len + 1) / 2;  // keys of a query on average
  out.flops = 4 * static_cast<double>(heads_of(s) * kHeadDim) * visible * tokens(s);
  return out;
}

/// Unit vectors in the compute type.
at::Tensor unit_rows(at::IntArrayRef shape, const BenchSizes& s, std::uint64_t seed) {
  const at::Tensor x = random_normal(shape, seed);
  return leaf(x / x.norm(2, -1, true), s, s.dtype);
}

Tolerance of_recurrence(const BenchSizes& s) { return Tolerance::of(s.dtype).reduction(kHeadDim * s.seq_len).chain(4); }

DifferentiableOperation delta_rule(const BenchSizes& s) {
  const std::vector<std::int64_t> shape = {s.rows, s.seq_len, heads_of(s), kHeadDim};
  const at::Tensor beta = at::sigmoid(random_normal({s.rows, s.seq_len, heads_of(s)}, 4));
  DifferentiableOperation out;
  out.inputs = {unit_rows(shape, s, 1), unit_rows(shape, s, 2), random_input(shape, s, 3), leaf(beta, s, s.dtype)};
  out.forward = [](const Tensors& in) { return ops::chunk_delta_rule(in[0], in[1], in[2], in[3], {}, {}, kChunk).y; };
  out.reference = [](const Tensors& in, const ParamMap&) {
    return ops::delta_rule_reference(in[0], in[1], in[2], in[3], {}, {}).y;
  };
  out.tolerance = of_recurrence(s);
  // As DeltaNet counts its chunks and state.
  out.flops = static_cast<double>(heads_of(s) * kHeadDim * (8 * kChunk + 6 * kHeadDim)) * tokens(s);
  return out;
}

DifferentiableOperation ssd(const BenchSizes& s) {
  const std::int64_t heads = 2 * heads_of(s);
  const at::Tensor decay = at::softplus(random_normal({s.rows, s.seq_len, heads}, 4)) * -0.1;
  DifferentiableOperation out;
  out.inputs = {unit_rows({s.rows, s.seq_len, 1, kStateDim}, s, 1), unit_rows({s.rows, s.seq_len, 1, kStateDim}, s, 2),
                random_input({s.rows, s.seq_len, heads, kHeadDim}, s, 3), leaf(decay, s, at::kFloat)};
  out.forward = [](const Tensors& in) { return ops::chunk_ssd(in[0], in[1], in[2], in[3], {}, {}, kChunk).y; };
  out.reference = [](const Tensors& in, const ParamMap&) {
    return ops::ssd_reference(in[0], in[1], in[2], in[3], {}, {}).y;
  };
  out.tolerance = of_recurrence(s);
  // As Mamba2 counts its chunks and state.
  const std::int64_t inner = heads * kHeadDim;
  out.flops =
      static_cast<double>(2 * kChunk * kStateDim + kChunk * heads + 2 * kChunk * inner + 4 * kStateDim * inner) *
      tokens(s);
  return out;
}

DifferentiableOperation short_conv(const BenchSizes& s) {
  const std::int64_t channels = 3 * s.d_model;
  DifferentiableOperation out;
  out.inputs = {random_input({s.rows, s.seq_len, channels}, s, 1)};
  out.weights = {{"weight", leaf(random_normal({channels, kTaps}, 2) / 2, s, at::kFloat), {}}};
  out.forward = [w = out.weights[0]](const Tensors& in) {
    return ops::short_conv(in[0], w.value, {}, {}, {}, /*silu=*/true);
  };
  out.reference = [](const Tensors& in, const ParamMap& w) {
    return ops::short_conv_reference(in[0], w.at("weight"), {}, {}, {}, /*silu=*/true);
  };
  out.tolerance = Tolerance::of(s.dtype).reduction(s.tokens());
  out.flops = 2 * static_cast<double>(channels * kTaps) * tokens(s);
  return out;
}

DifferentiableOperation gated_rms_norm(const BenchSizes& s) {
  const std::vector<std::int64_t> shape = {s.rows, s.seq_len, 2 * s.d_model};
  DifferentiableOperation out;
  out.inputs = {random_input(shape, s, 1), random_input(shape, s, 2)};
  out.weights = {{"gain", leaf(1 + random_normal({2 * s.d_model}, 3) / 5, s, at::kFloat), {}}};
  out.forward = [w = out.weights[0]](const Tensors& in) { return ops::gated_rms_norm(in[0], in[1], w.value, kEps); };
  out.reference = [](const Tensors& in, const ParamMap& w) {
    return ops::gated_rms_norm_reference(in[0], in[1], w.at("gain"), kEps);
  };
  out.tolerance = Tolerance::of(s.dtype).reduction(2 * s.d_model).chain(2);
  return out;
}

DifferentiableOperation scale_heads(const BenchSizes& s) {
  const std::vector<std::int64_t> shape = {s.rows, s.seq_len, heads_of(s), kHeadDim};
  DifferentiableOperation out;
  out.inputs = {random_input(shape, s, 1), random_input(shape, s, 2)};
  out.weights = {{"scale", leaf(random_normal({heads_of(s)}, 3), s, at::kFloat), {}}};
  out.forward = [w = out.weights[0]](const Tensors& in) { return ops::scale_heads(in[0], w.value, in[1]); };
  out.reference = [](const Tensors& in, const ParamMap& w) {
    return ops::scale_heads_reference(in[0], w.at("scale"), in[1]);
  };
  out.tolerance = Tolerance::of(s.dtype).reduction(kHeadDim * s.tokens());
  out.flops = 2 * static_cast<double>(heads_of(s) * kHeadDim) * tokens(s);
  return out;
}

DifferentiableOperation swiglu(const BenchSizes& s) {
  const std::int64_t width = 3 * s.d_model;
  DifferentiableOperation out;
  out.inputs = {random_input({s.rows, s.seq_len, 2 * width}, s, 1)};
  out.forward = [](const Tensors& in) { return ops::swiglu(in[0]); };
  out.reference = [](const Tensors& in, const ParamMap&) { return ops::swiglu_reference(in[0]); };
  out.tolerance = Tolerance::of(s.dtype);
  out.flops = 5 * static_cast<double>(width) * tokens(s);
  return out;
}

}  // namespace

std::vector<Operation> core_operations() {
  const std::pair<const char*, DifferentiableOperation (*)(const BenchSizes&)> made[] = {
      {"attention", attention},
      {"delta_rule", delta_rule},
      {"embedding", embedding},
      {"linear", linear},
      {"linear_cross_entropy", linear_cross_entropy},
      {"gated_rms_norm", gated_rms_norm},
      {"scale_heads", scale_heads},
      {"short_conv", short_conv},
      {"ssd", ssd},
      {"swiglu", swiglu}};
  std::vector<Operation> out;
  for (const auto& [name, make] : made) out.push_back(differentiable("ops", name, make));
  return out;
}

}  // namespace ingot
