// A step no longer than the loss is safe to follow its gradient: the softmax has complex zeros ("ghosts") at a distance
// that the change of the logits tells.
//
//   a = J_z v,   Δ = max_k a_k - min_k a_k,   ρ = π / Δ          of a token; v: the step p over its norm
//   p ← min(1, r ρ / ‖p‖) p
//
// z: logits [V], J_z: their Jacobian by the weights, r: radius. p is what the optimizer, its decay and the constraints
// did to the masters. ‖p‖ Δ, the spread of what the whole step does to the logits to first order, is measured by a
// finite difference: the first `tokens` tokens of the rank's last micro-batch, before the step and a part of the way
// along it, of `reach` times the norm of the weights at most. Of the tokens' spreads the quantile counts, of the ranks'
// the largest. It costs two passes over these tokens and a copy of the masters, and it needs fp32: bf16 weights hardly
// move by one step. Sao 2026, "Ghosts of Softmax", arXiv:2603.13552, whose questions and answers recommend r = 0.5 and
// quantiles; it was never tried beyond tiny models, so it is meant for experiments. (RhoScaledAdam in its release is
// another rule: by the spread of the logits themselves.)

#include <algorithm>
#include <limits>
#include <numbers>
#include <optional>

#include "config/fields.h"
#include "config/units.h"
#include "optim/clipper.h"

namespace ingot::safe_radius {
namespace {

struct SafeRadiusConfig {
  double radius = 0.5;
  std::int64_t tokens = 32;
  double quantile = 0.95;
  double reach = 1e-2;
  std::optional<double> max_norm = 1;
};

void describe(Fields& f, SafeRadiusConfig& c) {
  f.field("radius", c.radius, "largest step, as a share of the distance within which the loss follows its gradient",
          Rule{}.above(0));
  f.field("tokens", c.tokens, "tokens of each rank whose logits are looked at", Rule{}.at_least(1).at_most(65536));
  f.field("quantile", c.quantile, "of the tokens' spreads", Rule{}.above(0).at_most(1));
  f.field("reach", c.reach, "how far along the step the logits are compared, relative to the weights", Rule{}.above(0));
  f.field("max_norm", c.max_norm, "bound of the gradients' norm, as of global_norm; null: none", Rule{}.above(0));
}

class SafeRadius final : public Clipper {
 public:
  explicit SafeRadius(const SafeRadiusConfig& config) : c_(config) {}

  double factor(const GradientNorms& norms) override {
    return std::min(1.0, c_.max_norm.value_or(std::numeric_limits<double>::infinity()) / (norms.total + 1e-6));
  }
  LogitProbe probe() const override { return {c_.tokens, c_.quantile, c_.reach}; }
  double share(double spread) const override {
    return spread > 0 ? std::min(1.0, c_.radius * std::numbers::pi / spread) : 1;
  }

 private:
  SafeRadiusConfig c_;
};

}  // namespace
}  // namespace ingot::safe_radius

namespace ingot {

void register_safe_radius(Family<ClipperEntry>& family) {
  add_entry<safe_radius::SafeRadiusConfig, safe_radius::SafeRadius>(
      family, "safe_radius", "Shortens steps beyond the distance within which the loss follows its gradient.",
      "Sao 2026, arXiv:2603.13552")
      .samples = {"{radius: 1, tokens: 8, quantile: 1, max_norm: null}"};
}

}  // namespace ingot
