// Spectral regularisation: value = (σᵏ - 1)², σ the largest singular value of W
//
//   dW = 2 (σᵏ - 1) k σᵏ⁻¹ u vᵀ
//
//   W [out, in]; σ = uᵀ W v with vectors u [out], v [in] of power iteration, one iteration a step, which count as
//   constants in the gradient (params/power_iteration.h). With `target: shape` σ is taken over √(out / in), so that 1
//   keeps the root mean square of what the matrix is applied to, whatever its shape. Matrices by default; in place of
//   weight decay. Keeps networks that learn for long trainable.
//   Lewandowski et al. 2024, "Learning Continually by Spectral Regularization", arXiv:2406.06811, whose terms for
//   biases are left out.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "config/fields.h"
#include "params/penalty.h"
#include "params/power_iteration.h"

namespace ingot {
namespace spectral_regularization {

enum class Target { kOne, kShape };

struct Config {
  std::int64_t exponent = 2;
  Target target = Target::kOne;
  PenaltySettings common;
};

void describe(Fields& f, Config& c) {
  f.field("exponent", c.exponent, "the power of the largest singular value", Rule{}.at_least(1).at_most(8));
  f.choice("target", c.target, {{"one", Target::kOne}, {"shape", Target::kShape}},
           "the largest singular value without penalty: 1, or the root of outputs over inputs");
  describe_common(f, c.common);
}

class SpectralRegularization final : public Penalty {
 public:
  explicit SpectralRegularization(const Config& config) : Penalty(config.common), config_(config) {}

  bool applies(const ParamInfo& info) const override { return info.shape.size() == 2 && Penalty::applies(info); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }
  std::vector<KeptState> states(const ParamInfo& info) const override {
    return {{"u", {info.shape[0]}}, {"v", {info.shape[1]}}};
  }
  void begin(const at::Tensor& weight, const PenaltyContext& c) const override {
    power_iteration::start(weight, c.states[0], c.states[1]);
  }
  at::Tensor value(const at::Tensor& weight, const PenaltyContext& c) const override {
    const at::Tensor sigma = c.states[0].dot(weight.mv(c.states[1])) / target(c.info);
    return (sigma.pow(config_.exponent) - 1).square();
  }
  bool moves_states() const override { return true; }
  void advance(const at::Tensor& weight, const PenaltyContext& c) const override {
    power_iteration::iterate(weight, c.states[0], c.states[1], 1);
  }

 private:
  double target(const ParamInfo& info) const {
    return config_.target == Target::kOne
               ? 1
               : std::sqrt(static_cast<double>(info.shape[0]) / static_cast<double>(info.shape[1]));
  }

  Config config_;
};

}  // namespace spectral_regularization

void register_spectral_regularization(Family<PenaltyEntry>& family) {
  using namespace spectral_regularization;
  add_penalty<Config, SpectralRegularization>(
      family, "spectral_regularization", "Squared distance of the largest singular value, to a power, from 1.",
      "Lewandowski et al. 2024, arXiv:2406.06811", {"{exponent: 1, target: shape}"});
}

}  // namespace ingot
