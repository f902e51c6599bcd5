// BHyT*: y = gain · tanh(lambda / kappa · x / sqrt(mean x² + eps))
//
//   x [..., d]; lambda is one number, gain [d] starts at 1. Computed in fp32, one rounding.
//   Byun et al. 2025, "Bounded Hyperbolic Tangent", arXiv:2601.09719, the form with each row's own statistic. Their
//   scripts start lambda at 2 before attention and 1 before feed-forwards, or 3 at both (set it per operator under
//   `sites`), and leave the final norm an RMSNorm. The form that estimates the second norm's statistic from the first's
//   is not a function of x alone and is not here.

#include <ATen/TensorOperators.h>
#include <ATen/ops/tanh.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace bhyt {

struct Config {
  double lambda = 2;
  double kappa = 10;
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("lambda", c.lambda, "start value of the learned slope", Rule{}.above(0));
  f.field("kappa", c.kappa, "x is divided by this times its root mean square", Rule{}.above(0));
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class Bhyt final : public norms::ClosedFormNorm {
 public:
  Bhyt(const Config& config, const NormContext& context) : kappa_(config.kappa), eps_(config.eps) {
    declare_inner(context, norms::scalar_spec("lambda", config.lambda));
    declare_gain(context);
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    return at::tanh(inner[0] / kappa_ * (x / norms::root_mean_square(x, eps_)));
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& n,
                           const norms::Tensors& inner) const override {
    const at::Tensor s = norms::root_mean_square(x, eps_);
    const at::Tensor du = g * (1 - n.square()) / kappa_;
    return {norms::rms_gradient(du * inner[0], x, s), du * x / s};
  }

  double kappa_, eps_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  const at::Tensor bound = config.kappa * (w.square().mean(-1, true) + config.eps).sqrt();
  return norms::with_affine((params.at("lambda") * w / bound).tanh(), params).to(x.scalar_type());
}

}  // namespace bhyt

void register_bhyt(Family<NormEntry>& family) {
  auto& e = add_entry<bhyt::Config, bhyt::Bhyt>(family, "bhyt",
                                                "The tanh of x divided by a multiple of its root mean square.",
                                                "Byun et al. 2025, arXiv:2601.09719");
  e.flops_per_element = 6;
}

}  // namespace ingot
