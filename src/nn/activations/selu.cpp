// SELU: y = λ x where x > 0, else λ α (eˣ - 1)
//
//   α = 1.6732632423543772, λ = 1.0507009873554805: mean 0 and variance 1 of its inputs are then a fixed point of a
//   layer whose weights have variance 1 / fan_in (init `lecun`) and no bias. That is a matter of stacks without a
//   residual stream and norms; within one it is an activation like others.
//
//   With `dropout` p, in training, alpha dropout, which keeps mean and variance: y ← a (y or α', each) + b, where α' =
//   -λ α stands for y with probability p, a = ((1 - p) (1 + p α'²))^-½ and b = -a p α'. Its noise depends on the seed,
//   the update, the place and the sample alone (nn/noise.h). In the meta prefix all rows share it.
//   Klambauer et al. 2017, "Self-Normalizing Neural Networks", arXiv:1706.02515, eq. 2 and section "New Dropout
//   Technique".

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/selu.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "config/fields.h"
#include "nn/activation.h"
#include "nn/noise.h"
#include "registry/add_entry.h"

namespace ingot {
namespace selu {

constexpr double kAlpha = 1.6732632423543772, kLambda = 1.0507009873554805;

struct Config {
  double dropout = 0;
};

void describe(Fields& f, Config& c) {
  f.field("dropout", c.dropout, "the share of values that alpha dropout replaces in training",
          Rule{}.at_least(0).below(1));
}

class Selu final : public Activation {
 public:
  explicit Selu(const Config& config) : dropout_(config.dropout) {}
  at::Tensor forward(const at::Tensor& x) const override { return at::selu(x); }
  at::Tensor forward_in(const Pass& pass, const std::string& site, const at::Tensor& x) const override {
    const at::Tensor y = forward(x);
    if (dropout_ == 0 || !pass.training) return y;
    const at::Tensor noise = uniform_noise(pass, site, x.sizes().slice(1).vec(), x.device());
    constexpr double kReplaced = -kLambda * kAlpha;
    const double a = 1 / std::sqrt((1 - dropout_) * (1 + dropout_ * kReplaced * kReplaced));
    return at::where(noise.ge(dropout_), y, at::Scalar(kReplaced)) * a - a * dropout_ * kReplaced;
  }

 private:
  double dropout_;
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x) {
  return kLambda * (x.clamp_min(0) + kAlpha * at::expm1(x.clamp_max(0)));
}

}  // namespace selu

void register_selu(Family<ActivationEntry>& family) {
  using namespace selu;
  auto& e = add_entry<Config, Selu>(family, "selu", "ELU with constants that keep mean 0 and variance 1.",
                                    "Klambauer et al. 2017, arXiv:1706.02515");
  e.samples = named_samples<Config>({{"plain", {}}, {"dropout", {0.1}}});
}

}  // namespace ingot
