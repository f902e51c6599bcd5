// AuON: an average of gradients of unit norm, with a brake on large elements; and its hybrid with Muon.
//
//   U: average of gradients as in Muon,   X = U / (‖U‖ + ε),   r = root of the mean of cosh²(γ X)
//   paper    W = (1 - η·λ)·W - η·X / r
//   code     W = (1 - η·λ)·W - η·U / (r + 1e-8)
//   hybrid   the code's form with the polar factor of U, by steps of Newton-Schulz, in the place of U
//
// W, U, X [m, n], ‖·‖: Frobenius norm, r: one number. Elements of X are about 1 / sqrt(mn), so for matrices of 64 x 64
// or more r lies within 3e-4 of 1 and the brake does nothing: the paper's form is descent along an average of unit
// norm, the code's descent along the average itself, the hybrid Muon without a factor of the shape. State: 4 bytes for
// each fp32 parameter. Maity 2025, arXiv:2509.24320; code: https://github.com/ryyzn9/AuON.

#include <ATen/TensorOperators.h>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"

namespace ingot::auon {
namespace {

enum class Form { kPaper, kCode, kHybrid };

struct AuonConfig {
  double lr = 0.055;
  double weight_decay = 0;
  MomentumConfig momentum;
  Form form = Form::kPaper;
  double gamma = 1;
  PolarConfig polar;
};

void describe(Fields& f, AuonConfig& c) {
  static const std::vector<std::pair<std::string, Form>> kForms = {
      {"paper", Form::kPaper}, {"code", Form::kCode}, {"hybrid", Form::kHybrid}};
  describe_rate(f, c.lr, c.weight_decay);
  describe_momentum(f, c.momentum);
  f.choice("form", c.form, kForms,
           "what is divided by the brake: the average with norm 1, the average itself, or its polar factor");
  f.field("gamma", c.gamma, "how soon the brake acts; the authors' code has 1.5", Rule{}.above(0));
  describe_polar(f, c.polar);
}

class Auon final : public MatrixOptimizer {
 public:
  explicit Auon(const AuonConfig& config) : config_(config) {}
  std::vector<StateSpec> state_specs() const override { return {{kMomentumState, nullptr, std::nullopt, nullptr}}; }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    constexpr double kBrakeEps = 1e-8, kNormEps = 1e-7;
    at::Tensor u = average_gradient(slot.states[0], slot, context, config_.momentum);
    if (config_.form == Form::kHybrid) u = polar_factor(u, config_.polar);
    const at::Tensor x = u / (frobenius_norm(u) + kNormEps);
    const at::Tensor brake = mean_of_all((x * config_.gamma).cosh_().square_()).sqrt();
    return config_.form == Form::kPaper ? x / brake : u / (brake + kBrakeEps);
  }

 private:
  const AuonConfig& config_;
};

}  // namespace
}  // namespace ingot::auon

namespace ingot {

void register_auon(Family<OptimizerEntry>& family) {
  using namespace auon;
  auto& entry = add_matrix_optimizer<AuonConfig, Auon>(
      family, "auon", "An average of gradients of unit norm with a brake on large elements; hybrid: with Muon.",
      "Maity 2025, arXiv:2509.24320", [](const AuonConfig& c) { return check_polar(c.polar); });
  entry.update_size_of = with_settings<AuonConfig>(
      [](const AuonConfig& c) { return c.form == Form::kCode ? UpdateSize::kGradient : UpdateSize::kSpectral; });
  entry.samples = {"{form: code, gamma: 1.5}", "{form: hybrid, gamma: 1.5, nesterov: false}"};
}

}  // namespace ingot
