// A2Q: integer weights whose sum in an accumulator cannot overflow.
//
//   W_i = s_i clip(trunc(min(|g_i| / s_i, T) v_i / |v_i|₁), -q, q)      q = 2^(b-1) - 1
//   T = (2^(P-1) - 1) 2^(signed - N)
//
// v [out, in]; g, s [out]. W_i / s_i are integers of b bits (`weight_bits`), the sum of whose absolute values is at
// most T: products with inputs of N bits (`input_bits`, `signed_input`) then add up within P bits (`accumulator_bits`).
// trunc rounds towards zero, so that it cannot make the sum larger; its gradient is that of the identity (straight
// through), and s learns by what rounding and clipping leave, as step sizes of quantisers do. With `round: false` W_i /
// s_i stay real: weight normalisation with absolute sums for lengths, and a cap on them.
// Colbert et al. 2023, "A2Q: Accumulator-Aware Quantization with Guaranteed Overflow Avoidance", arXiv:2308.13504;
// as in Xilinx' Brevitas, with g trained itself. Training starts with v = W, g_i = |W_i|₁ and s_i such that the largest
// weight of a row is the largest integer; s is learned as its logarithm. Decay acts on g.

#include <ATen/TensorOperators.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/trunc.h>

#include <cmath>

#include "config/fields.h"
#include "params/autograd_parametrization.h"

namespace ingot::a2q {
namespace {

struct A2qConfig {
  std::int64_t weight_bits = 8;
  std::int64_t input_bits = 8;
  std::int64_t accumulator_bits = 32;
  bool signed_input = true;
  bool round = true;
  bool embeddings = false;
};

void describe(Fields& f, A2qConfig& c) {
  f.field("weight_bits", c.weight_bits, "bits of a weight", Rule{}.at_least(2).at_most(16));
  f.field("input_bits", c.input_bits, "bits of an input", Rule{}.at_least(1).at_most(16));
  f.field("accumulator_bits", c.accumulator_bits, "bits that a sum of products fits into",
          Rule{}.at_least(4).at_most(64));
  f.field("signed_input", c.signed_input, "whether inputs have a sign");
  f.field("round", c.round, "whether weights are rounded to integers");
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class A2q final : public AutogradParametrization {
 public:
  explicit A2q(const A2qConfig& config)
      : config_(config),
        largest_(std::ldexp(1.0, static_cast<int>(config.weight_bits - 1)) - 1),
        cap_((std::ldexp(1.0, static_cast<int>(config.accumulator_bits - 1)) - 1) *
             std::ldexp(1.0, static_cast<int>((config.signed_input ? 1 : 0) - config.input_bits))) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, config_.embeddings); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kRow; }
  bool has_exact_gradient() const override { return !config_.round; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    const std::int64_t rows = info.shape[0];
    MasterSpec v{".v", info.shape, true, /*decays=*/false};
    v.scale_free = true;
    return {v, {".g", {rows}}, {".log_s", {rows}, true, /*decays=*/false}};
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& m) const override {
    m[0].copy_(weight);
    m[1].copy_(weight.abs().sum(1));
    m[2].copy_((positive(weight.abs().amax(1)) / largest_).log());
  }
  bool can_assign() const override { return false; }

 private:
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override {
    const at::Tensor s = m[2].exp().unsqueeze(1), g = m[1].abs().unsqueeze(1);
    const at::Tensor sum = positive(m[0].abs().sum(1, /*keepdim=*/true));
    at::Tensor integers = m[0] * ((g / s).clamp_max(cap_) / sum);
    if (config_.round) integers = integers + (at::trunc(integers) - integers).detach();
    return s * integers.clamp(-largest_, largest_);
  }
  /// 1 in place of 0: a row of zeros stays zero.
  static at::Tensor positive(const at::Tensor& x) { return x.masked_fill(x.eq(0), 1); }

  A2qConfig config_;
  double largest_;  // q
  double cap_;      // T
};

}  // namespace
}  // namespace ingot::a2q

namespace ingot {

void register_a2q(Family<ParametrizationEntry>& family) {
  add_parametrization<a2q::A2qConfig, a2q::A2q>(
      family, "a2q", "Integer weights whose sums of products cannot overflow.", "Colbert et al. 2023, arXiv:2308.13504",
      {"{round: false, accumulator_bits: 17, embeddings: true}", "{accumulator_bits: 12, weight_bits: 4}"});
}

}  // namespace ingot
