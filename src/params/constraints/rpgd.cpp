// Reparametrised projected gradient descent: each row is a length times a unit vector, and both take steps of their
// own.
//
//   w = g·u,  |u| = 1                  a row of the matrix; state g >= 0, at first |w|
//   u' = unit(u - η·g·d)               g·d: what d is for u, by the chain rule
//   g' = (1 - κ)·g - γ·<d, u>          γ = η·`scale_lr`; κ: the share that decay takes, of the length alone
//   w  = g'·u'                         with g' and u' turned round where g' < 0
//
// d: direction of the optimizer, the gradient itself under plain `sgd`, for which this is the published method; under
// others the direction stands in the gradient's place. Against `weight_norm`, u never grows, so that the learning rate
// does not fall by itself. Matrices between activations; a row of zeros stays as it is trained. Wu et al. 2020,
// "Implicit regularization and convergence for weight normalization", arXiv:1911.07956.

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include "params/kept_norm.h"

namespace ingot::rpgd {
namespace {

struct RpgdConfig {
  double scale_lr = 1;
};

void describe(Fields& f, RpgdConfig& c) {
  f.field("scale_lr", c.scale_lr, "learning rate of the lengths, relative to that of the weights; 0: lengths are fixed",
          Rule{}.at_least(0));
}

class Rpgd final : public KeptNorm {
 public:
  explicit Rpgd(const RpgdConfig& config) : KeptNorm(NormUnit::kRow), scale_lr_(config.scale_lr) {}
  bool changes_updates() const override { return true; }
  void change_direction(at::Tensor& direction, const at::Tensor& weight,
                        const ConstraintContext& context) const override {
    if (context.lr == 0) return;
    at::Tensor& length = context.states[0];
    const at::Tensor unit = weight * ratio_or(at::ones_like(length), length, 0.0);
    const at::Tensor turned = unit - direction * length * context.lr;
    const at::Tensor next = length * (1 - context.decay) - dot(direction, unit) * (context.lr * scale_lr_);
    const at::Tensor wanted = turned * ratio_or(next, norm_of(turned), 0.0);
    // The direction that leads there.
    const at::Tensor step = (weight * (1 - context.decay) - wanted) / context.lr;
    direction.copy_(at::where(length.eq(0), direction, step));
    length.copy_(next.abs());
  }

 private:
  double scale_lr_;
};

}  // namespace
}  // namespace ingot::rpgd

namespace ingot {

void register_rpgd(Family<ConstraintEntry>& family) {
  using namespace rpgd;
  add_constraint<RpgdConfig, Rpgd>(family, "rpgd",
                                   "Length and unit vector of each row take steps of their own, as in weight "
                                   "normalization with a projection.",
                                   "Wu et al. 2020, arXiv:1911.07956", {"{scale_lr: 0}"});
}

}  // namespace ingot
