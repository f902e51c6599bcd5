// Radial brake: an update that makes a weight longer does so by a part of its radial component alone.
//
//   ρ = -η <d, W>/|W|                    what the update adds to |W|, to first order
//   a = `outward` where ρ > 0, else `inward`
//   d <- d - (1 - a) W <d, W>/|W|²       the radial part of the direction, braked
//   n <- (1 - κ)·n + a·ρ                 κ: the share of the weight that decay takes
//   W <- (1 - κ)·W - η·d, then with `radius_pin` W <- W n / |W|
//
// The pin takes back what a straight step along the tangent adds to the norm in second order. |.|: Frobenius norm of
// the matrix; state n, |W| at first. Matrices between activations. With outward = inward = 0 this is `lawn` without its
// gradients; with `radius_pin: false` and outward = 0 it is nearly AdamP. The record runs of modded-nanogpt's third
// track (2026; outward 0.5) and NVIDIA's Emerging-Optimizers, which scales the whole change of the norm, second order
// included.

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>

#include "params/kept_norm.h"

namespace ingot::radial_brake {
namespace {

struct RadialBrakeConfig {
  double outward = 0.5;
  double inward = 1;
  bool radius_pin = true;
};

void describe(Fields& f, RadialBrakeConfig& c) {
  f.field("outward", c.outward, "what is left of an update's radial part that makes the weight longer",
          Rule{}.at_least(0).at_most(1));
  f.field("inward", c.inward, "the same of one that makes it shorter", Rule{}.at_least(0).at_most(1));
  f.field("radius_pin", c.radius_pin, "whether the norm then is what the radial part alone makes of it");
}

class RadialBrake final : public KeptNorm {
 public:
  explicit RadialBrake(const RadialBrakeConfig& config) : KeptNorm(NormUnit::kMatrix), config_(config) {}
  std::vector<ConstraintState> states(const ParamInfo& info) const override {
    return config_.radius_pin ? KeptNorm::states(info) : std::vector<ConstraintState>{};
  }
  void begin(const at::Tensor& weight, const ConstraintContext& context) const override {
    if (config_.radius_pin) KeptNorm::begin(weight, context);
  }
  void apply(at::Tensor& weight, const ConstraintContext& context) const override {
    if (config_.radius_pin) KeptNorm::apply(weight, context);
  }
  bool changes_updates() const override { return true; }
  void change_direction(at::Tensor& direction, const at::Tensor& weight,
                        const ConstraintContext& context) const override {
    const at::Tensor square = dot(weight, weight), inner = dot(direction, weight);
    const at::Tensor kept = at::where(inner.lt(0), at::full_like(inner, config_.outward), config_.inward);
    direction.sub_(weight * (ratio_or(inner, square, 0.0) * (1 - kept)));
    if (!config_.radius_pin) return;
    at::Tensor& norm = context.states[0];
    norm.mul_(1 - context.decay).sub_(ratio_or(kept * inner, square.sqrt(), 0.0), context.lr).clamp_min_(0);
  }

 private:
  RadialBrakeConfig config_;
};

}  // namespace
}  // namespace ingot::radial_brake

namespace ingot {

void register_radial_brake(Family<ConstraintEntry>& family) {
  using namespace radial_brake;
  add_constraint<RadialBrakeConfig, RadialBrake>(
      family, "radial_brake", "Updates make weights longer by a part of their radial component alone.",
      "modded-nanogpt, track 3, 2026", {"{outward: 0.25, inward: 0.5}"});
}

}  // namespace ingot
