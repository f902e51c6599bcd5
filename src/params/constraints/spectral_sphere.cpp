// Weights on a sphere of the spectral norm, updates along it: among all that are tangent, the one that goes farthest
// down for its spectral norm.
//
//   Θ = u vᵀ                               of the largest singular value of W
//   λ: <Θ, polar(d/|d|_F + λΘ)> = 0        polar(U S Vᵀ) = U Vᵀ; the left side rises with λ from -1 to 1
//   d <- m · polar(d/|d|_F + λΘ)           m = `radius` · sqrt(out / in)
//   W <- W - η·d,  W <- W m / σ(W)
//
// d: direction of the optimizer, made for momentum without anything else (`sgd` with `nesterov`); η: the size of an
// update relative to that of the weight, in spectral norm. λ by regula falsi (Illinois), to rounding; each of its dozen
// steps takes the eigenvectors of a Gram matrix in fp64, so it is for small models. Matrices between activations, no
// state, without decay. Xie et al. 2026, "Controlled LLM training on spectral sphere", arXiv:2601.08393;
// pytorch-optimizer's SpectralSphere gives the same direction for m = 1, but does not bring the weight back to the
// sphere.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/outer.h>

#include <cmath>
#include <utility>

#include "params/constraint.h"
#include "params/singular_values.h"

namespace ingot::spectral_sphere {
namespace {

struct SphereConfig {
  double radius = 1;
};

void describe(Fields& f, SphereConfig& c) {
  f.field("radius", c.radius, "spectral norm of each matrix, in units of sqrt(outputs / inputs)", Rule{}.above(0));
}

/// The polar factor of x + λΘ that is orthogonal to Θ. |x|_F = 1 bounds λ.
at::Tensor tangent_polar(const at::Tensor& x, const at::Tensor& theta) {
  constexpr int kMostSteps = 80;
  constexpr double kEnough = 1e-14;
  at::Tensor polar;
  const auto f = [&](double lambda) {
    polar = polar_factor(x + lambda * theta);
    return (polar * theta).sum().item<double>();
  };
  double low = -2, high = 2, f_low = f(low), f_high = f(high);
  int side = 0;  // which end stayed last time
  for (int step = 0; step < kMostSteps; ++step) {
    const double lambda = (low * f_high - high * f_low) / (f_high - f_low);
    const double value = f(lambda);
    if (std::abs(value) <= kEnough || high - low <= kEnough) break;
    if (value < 0) {
      low = lambda;
      f_low = value;
      if (side == -1) f_high /= 2;
      side = -1;
    } else {
      high = lambda;
      f_high = value;
      if (side == 1) f_low /= 2;
      side = 1;
    }
  }
  return polar;
}

class SpectralSphere final : public Constraint {
 public:
  explicit SpectralSphere(const SphereConfig& config) : radius_(config.radius) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }

  void apply(at::Tensor& weight, const ConstraintContext& /*context*/) const override {
    const double top = top_singular(weight).value;
    if (top > 0) weight.mul_(radius_ * rms_unit(weight) / top);
  }

  bool changes_updates() const override { return true; }
  void change_direction(at::Tensor& direction, const at::Tensor& weight,
                        const ConstraintContext& /*context*/) const override {
    const double norm = at::linalg_vector_norm(direction).item<double>();
    const auto top = top_singular(weight);
    if (norm == 0 || top.value == 0) return;
    const at::Tensor x = direction.to(at::kDouble) / norm;
    const at::Tensor theta = at::outer(top.left, top.right).to(at::kDouble);
    direction.copy_(tangent_polar(x, theta) * (radius_ * rms_unit(weight)));
  }

 private:
  double radius_;
};

}  // namespace
}  // namespace ingot::spectral_sphere

namespace ingot {

void register_spectral_sphere(Family<ConstraintEntry>& family) {
  using namespace spectral_sphere;
  add_constraint<SphereConfig, SpectralSphere>(family, "spectral_sphere",
                                               "Weights on a sphere of the spectral norm, and updates along it.",
                                               "Xie et al. 2026, arXiv:2601.08393", {"{radius: 2}"});
}

}  // namespace ingot
