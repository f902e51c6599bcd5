// Muon with updates of an exact spectral norm.
//
//   M = μ·M + (1 - μ)·G,   O = polar(U)                       as in Muon
//   W = (1 - η·λ)·W - η·sqrt(m/n)·O / σ(O)
//
// σ(O): the largest singular value, by steps of power iteration v <- Oᵀ O v / ‖Oᵀ O v‖, σ = ‖O v‖, from the v of the
// update before. With it the root mean square of any input moves an output's by η at most, at every width, and decay
// alone bounds ‖W‖ by max(‖W0‖, sqrt(m/n) / λ): the spectral conditions of maximal update parametrization hold
// throughout training without a look at W. State M: 4 bytes for each fp32 parameter, v [n].
// After Muon++, arXiv:2601.01306, of which the abstract alone was at hand: it controls the updates' norm to the same
// end; its further condition that adapts to data is left out.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"
#include "optim/noise.h"

namespace ingot::muon_pp {
namespace {

PolarConfig polar_express() {
  PolarConfig polar;
  polar.method = PolarMethod::kPolarExpress;
  return polar;
}

struct MuonPpConfig {
  double lr = 0.02;
  double weight_decay = 0;
  MomentumConfig momentum;
  std::int64_t power_steps = 2;
  PolarConfig polar = polar_express();
};

void describe(Fields& f, MuonPpConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  describe_momentum(f, c.momentum);
  f.field("power_steps", c.power_steps, "steps of power iteration for the norm of each update; 0: it is taken as 1",
          Rule{}.at_least(0).at_most(100));
  describe_polar(f, c.polar);
}

class MuonPp final : public MatrixOptimizer {
 public:
  explicit MuonPp(const MuonPpConfig& config) : config_(config) {}

  std::vector<StateSpec> state_specs() const override {
    const auto shape = [](const Master& m) { return std::vector<std::int64_t>{m.shape[1]}; };
    const auto start = [](at::Tensor& v, const Master& m) {
      start_normal(v, "muon_pp", m);
      v.div_(frobenius_norm(v));
    };
    return {{kMomentumState, nullptr, std::nullopt, nullptr}, {"singular_vector", shape, std::nullopt, start}};
  }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    const at::Tensor u = average_gradient(slot.states[0], slot, context, config_.momentum);
    const at::Tensor o = polar_factor(u, config_.polar);
    const double scale = shape_scale(ShapeScale::kSpectral, u.size(0), u.size(1));
    if (config_.power_steps == 0) return o * scale;
    return o * (scale / norm_of(o, slot.states[1]).clamp_min(kLeast));
  }

 private:
  at::Tensor norm_of(const at::Tensor& o, at::Tensor& v) const {
    at::Tensor left = o.mv(v);
    for (std::int64_t i = 0; i < config_.power_steps; ++i) {
      const at::Tensor right = o.t().mv(left);
      v.copy_(right / frobenius_norm(right).clamp_min(kLeast));
      left = o.mv(v);
    }
    return frobenius_norm(left);
  }

  static constexpr double kLeast = 1e-12;
  const MuonPpConfig& config_;
};

}  // namespace
}  // namespace ingot::muon_pp

namespace ingot {

void register_muon_pp(Family<OptimizerEntry>& family) {
  using namespace muon_pp;
  auto& entry = add_matrix_optimizer<MuonPpConfig, MuonPp>(
      family, "muon_pp", "Muon with updates of an exact spectral norm.", "after arXiv:2601.01306",
      [](const MuonPpConfig& c) { return check_polar(c.polar); });
  entry.update_size = UpdateSize::kSpectral;
  entry.samples = {"{power_steps: 0, nesterov: false}"};
}

}  // namespace ingot
