// Hyperball: the Frobenius norms of a weight matrix and of its update are both fixed.
//
//   W <- R·unit(W - η·R·unit(d)),   R = |W_0|_F,   unit(x) = x / |x|_F
//
// d: the direction of any optimizer; η: learning rate, now the angle (in radians, to first order) by which one update
// turns the matrix. State R. Matrices between activations; embedding, head and vectors are trained as ever. Without
// decay, which would act on the angle alone. Wen et al. 2025, "From weight decay to hyperball optimization", Wen et al.
// 2026, arXiv:2606.16899. A matrix of zeros has no direction to keep and is refused.

#include <ATen/TensorOperators.h>

#include "base/error.h"
#include "base/text.h"
#include "params/kept_norm.h"

namespace ingot::hyperball {
namespace {

class Hyperball final : public KeptNorm {
 public:
  Hyperball() : KeptNorm(NormUnit::kMatrix) {}
  void begin(const at::Tensor& weight, const ConstraintContext& context) const override {
    KeptNorm::begin(weight, context);
    if (context.states[0].item<double>() != 0) return;
    throw ConfigError(cat("hyperball: '", context.info.name,
                          "' is zero, so that it has no norm to keep; expected other start values (`weights.init`), or "
                          "a `match` without it"));
  }
  bool changes_updates() const override { return true; }
  void change_direction(at::Tensor& direction, const at::Tensor& /*weight*/,
                        const ConstraintContext& context) const override {
    direction.mul_(ratio_or(context.states[0], norm_of(direction), 0.0));
  }
};

}  // namespace
}  // namespace ingot::hyperball

namespace ingot {

void register_hyperball(Family<ConstraintEntry>& family) {
  add_constraint<NoSettings, hyperball::Hyperball>(
      family, "hyperball", "Frobenius norms of weights and of updates are fixed: the learning rate is an angle.",
      "Wen et al. 2026, arXiv:2606.16899");
}

}  // namespace ingot
