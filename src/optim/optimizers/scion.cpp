// Scion: steps of unit norm, each parameter in the norm that its role suggests. For all parameters: no other optimizer.
//
//   M = μ·M + (1 - μ)·g
//   w = (1 - η·λ)·w - η·ρ·u(M)
//
//   matrices inside the stack   u = sqrt(m/n)·polar(M)           [m, n], polar: optim/matrix/polar.h
//   head, tied ones too         u = sign(M) / n                  n = d_model
//   embedding                   u = M / rms of each token's row
//   anything else               u = M / rms of the whole
//
// ρ: `radius` of the role. With weight_decay 1 the method is the published constrained one: weights stay in the ball of
// radius ρ, and η alone says how fast they move; `weight_decay: 0` is its unconstrained form. Weight decay acts on
// matrices alone unless a group says otherwise. State M: 4 bytes for each fp32 parameter, in this form of average the
// authors' with momentum 1 - μ. Pethick et al. 2025, arXiv:2502.07529; norms as in https://github.com/LIONS-EPFL/scion.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"

namespace ingot::scion {
namespace {

struct Radii {
  double matrices = 50;
  double head = 3000;
  double embedding = 1;
  double rest = 1;
};

struct ScionConfig {
  double lr = 2.44140625e-4;  // 2^-12
  double weight_decay = 0;
  double momentum = 0.9;
  Radii radius;
  PolarConfig polar;
};

void describe(Fields& f, Radii& c) {
  f.field("matrices", c.matrices, "of matrices inside the stack", Rule{}.above(0));
  f.field("head", c.head, "of the head, and of an embedding that is the head", Rule{}.above(0));
  f.field("embedding", c.embedding, "of an embedding of its own", Rule{}.above(0));
  f.field("rest", c.rest, "of vectors, convolutions and all else", Rule{}.above(0));
}

void describe(Fields& f, ScionConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  f.field("momentum", c.momentum, "share of the gradients' average that is kept", Rule{}.at_least(0).below(1));
  f.field("radius", c.radius, "size of the steps by role");
  describe_polar(f, c.polar);
}

enum class Norm { kSpectral, kSign, kToken, kWhole };

Norm norm_of(const Master& master) {
  if (is_matrix_in_stack(master)) return Norm::kSpectral;
  if (master.shape.size() != 2) return Norm::kWhole;
  if (master.param->roles.has(Role::kHead)) return Norm::kSign;
  return master.param->roles.has(Role::kEmbedding) ? Norm::kToken : Norm::kWhole;
}

class Scion final : public MatrixOptimizer {
 public:
  explicit Scion(const ScionConfig& config) : config_(config) {}

  Granularity granularity(const Master& master) const override {
    switch (norm_of(master)) {
      case Norm::kSign:
      case Norm::kToken:
        return Granularity::kRow;
      default:
        return Granularity::kMatrix;
    }
  }
  std::vector<StateSpec> state_specs() const override { return {{kMomentumState, nullptr, std::nullopt, nullptr}}; }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    const at::Tensor m = average_gradient(slot.states[0], slot, context, {config_.momentum, /*nesterov=*/false});
    switch (norm_of(*slot.master)) {
      case Norm::kSpectral: {
        const double scale = shape_scale(ShapeScale::kSpectral, m.size(0), m.size(1));
        return polar_factor(m, config_.polar) * (scale * config_.radius.matrices);
      }
      case Norm::kSign:
        return m.sign() * (config_.radius.head / static_cast<double>(m.size(1)));
      case Norm::kToken: {
        const at::Tensor rms = row_norms(m) / std::sqrt(static_cast<double>(m.size(1)));
        return m / (rms + kEps) * config_.radius.embedding;
      }
      default: {
        const at::Tensor rms = frobenius_norm(m) / std::sqrt(static_cast<double>(m.numel()));
        return m / (rms + kEps) * config_.radius.rest;
      }
    }
  }

 private:
  static constexpr double kEps = 1e-8;
  const ScionConfig& config_;
};

}  // namespace
}  // namespace ingot::scion

namespace ingot {

void register_scion(Family<OptimizerEntry>& family) {
  using namespace scion;
  auto& entry = add_matrix_optimizer<ScionConfig, Scion>(
      family, "scion", "Steps of unit norm, each parameter in the norm that its role suggests.",
      "Pethick et al. 2025, arXiv:2502.07529", [](const ScionConfig& c) { return check_polar(c.polar); });
  entry.takes = nullptr;
  entry.takes_what.clear();
  entry.update_size = UpdateSize::kSpectral;
  entry.samples = {"{method: polar_express, momentum: 0.5, radius: {matrices: 2, rest: 3}}"};
}

}  // namespace ingot
