// LAWN: after a free phase the norm of every weight is frozen, and updates only turn it.
//
//   until `start`:  plain training
//   then            c = |W|
//   each update     G <- G - W <G, W>/|W|²      before the optimizer's averages
//                   d <- d - W <d, W>/|W|²      the direction that optimizer and modifiers gave
//                   W <- W - η·d,  W <- W c / |W|
//
// |.|: Frobenius norm of the matrix, or with `per: row` of each output's weights; state c. All matrices, embedding and
// head among them: the final homogeneous sub-network of a language model is the head, behind the last norm, and
// `match: {role: head}` is the method's narrowest reading. Without decay; the authors warm the learning rate up anew
// when the norms freeze. What is zero when they freeze stays free. Gupta et al. 2021, "Logit Attenuating Weight
// Normalization", arXiv:2108.05839.

#include <ATen/TensorOperators.h>

#include "params/kept_norm.h"

namespace ingot::lawn {
namespace {

struct LawnConfig {
  NormUnit per = NormUnit::kMatrix;
};

void describe(Fields& f, LawnConfig& c) {
  f.choice("per", c.per, norm_units(), "one norm for the whole matrix, or for each output (row)");
}

class Lawn final : public KeptNorm {
 public:
  explicit Lawn(const LawnConfig& config) : KeptNorm(config.per) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, true); }
  bool changes_updates() const override { return true; }
  void change_gradient(at::Tensor& gradient, const at::Tensor& weight,
                       const ConstraintContext& /*context*/) const override {
    make_tangent(gradient, weight);
  }
  void change_direction(at::Tensor& direction, const at::Tensor& weight,
                        const ConstraintContext& /*context*/) const override {
    make_tangent(direction, weight);
  }

 private:
  void make_tangent(at::Tensor& x, const at::Tensor& weight) const {
    x.sub_(weight * ratio_or(dot(x, weight), dot(weight, weight), 0.0));
  }
};

}  // namespace
}  // namespace ingot::lawn

namespace ingot {

void register_lawn(Family<ConstraintEntry>& family) {
  using namespace lawn;
  add_constraint<LawnConfig, Lawn>(
      family, "lawn", "From `start` on norms of weights are frozen, and gradients and updates only turn them.",
      "Gupta et al. 2021, arXiv:2108.05839", {"{per: row}"});
}

}  // namespace ingot
