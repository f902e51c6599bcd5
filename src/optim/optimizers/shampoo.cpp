// Shampoo: gradients multiplied from both sides by inverse roots of their second moments.
//
//   L = β·L + c·G Gᵀ,  R = β·R + c·Gᵀ G          c = 1 - β, or 1 for β = 1: sums, as in the paper; start: ε·I
//   d = L̂^(-p) m̂ R̂^(-p)                          L̂ = L/(1 - β^t) for β < 1; p = 1/4, for one side alone 1/2
//   graft adam:  d = d · |a| / |d|,  a = m̂ / (sqrt(v̂) + ε_a)       norms over the parameter
//   w = (1 - η·λ)·w - η·d
//
// G [m, n]: gradient of a matrix, m̂ = average of gradients by β1, corrected for its bias, v̂ likewise of squares by
// β2; η: learning rate, λ: weight decay, t: update from 1. The roots are computed every f updates, from the
// eigenvectors; eigenvalues below `floor` times the largest count as that. A side longer than max_precond_dim has no
// factor; what is no matrix is trained by a, whatever the graft. State for each matrix: mn + 2·m² + 2·n² numbers in the
// masters' type, in which everything is computed, and mn more for the graft. Gupta et al. 2018 (arXiv:1802.09568),
// algorithm 1: `{betas: [0, 0.95], shampoo_beta: 1, graft: none}`; averages, the exponent 1/2 and grafting: Anil et al.
// 2020 (arXiv:2002.09018), Shi et al. 2023 (arXiv:2309.06497).

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>

#include <cmath>
#include <optional>

#include "config/units.h"
#include "device/matmul.h"
#include "optim/betas.h"
#include "optim/kronecker.h"

namespace ingot::shampoo {
namespace {

using namespace kronecker;

enum class Graft { kAdam, kNone };

struct ShampooConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double shampoo_beta = 0.95;
  double start = 1e-12;
  double floor = 1e-6;
  double eps = 1e-8;
  double weight_decay = 0;
  std::int64_t precondition_frequency = 10;
  std::int64_t max_precond_dim = 10000;
  std::optional<double> power;
  Graft graft = Graft::kAdam;
};

void describe(Fields& f, ShampooConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the average of the gradient, and of its square where Adam counts",
          Rule{}.at_least(0).below(1));
  f.field("shampoo_beta", c.shampoo_beta, "decay rate of the factors; 1: they are sums", Rule{}.at_least(0).at_most(1));
  f.field("start", c.start, "of the factors, times the identity", Rule{}.at_least(0));
  f.field("floor", c.floor, "eigenvalues of a factor count as this times the largest at least",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "of Adam: added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
  f.field("precondition_frequency", c.precondition_frequency, "updates from one computation of the roots to the next",
          Rule{}.at_least(1));
  f.field("max_precond_dim", c.max_precond_dim, "sides longer than this have no factor", Rule{}.at_least(1));
  f.field("power", c.power, "of the inverse roots; absent: 1/4, or 1/2 where one side has a factor", Rule{}.above(0));
  f.choice("graft", c.graft, {{"adam", Graft::kAdam}, {"none", Graft::kNone}},
           "whose norm a matrix's direction has: Adam's, or its own");
}

enum State : std::size_t { kM, kV, kLeft, kRight, kLeftRoot, kRightRoot };

class Shampoo final : public Optimizer {
 public:
  explicit Shampoo(const ShampooConfig& config) : config_(config) {}

  Granularity granularity(const Master& master) const override {
    return sides(master).count() > 0 ? Granularity::kMatrix : Granularity::kElement;
  }
  std::vector<StateSpec> state_specs() const override {
    const auto dim = config_.max_precond_dim;
    const auto started = [value = config_.start](at::Tensor& state, const Master& /*master*/) {
      if (state.numel() > 0) state.copy_(at::eye(state.size(0), state.options()) * value);
    };
    auto squares = full_state("exp_avg_sq");
    if (config_.graft == Graft::kNone) {
      // What is no matrix still needs them.
      squares.shape = [dim](const Master& master) -> std::vector<std::int64_t> {
        if (sides_of(master, dim).count() > 0) return {0};
        return master.shape;
      };
    }
    return {full_state("exp_avg"),
            std::move(squares),
            factor_state("left", Side::kLeft, dim, started),
            factor_state("right", Side::kRight, dim, started),
            factor_state("left_root", Side::kLeft, dim),
            factor_state("right_root", Side::kRight, dim)};
  }

  std::int64_t period() const override { return config_.precondition_frequency; }
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const override {
    each_on_one_thread(slots, [&](Slot& slot) { direct(slot, context); });
  }

 private:
  Sides sides(const Master& master) const { return sides_of(master, config_.max_precond_dim); }

  void take_in(at::Tensor factor, const at::Tensor& square) const {
    const double beta = config_.shampoo_beta;
    factor.mul_(beta).add_(square, beta < 1 ? 1 - beta : 1);
  }

  void compute_root(Slot& slot, State factor, State root, std::int64_t t) const {
    const double power = config_.power.value_or(sides(*slot.master).count() == 2 ? 0.25 : 0.5);
    const double beta = config_.shampoo_beta;
    const double bias = beta < 1 ? 1 - std::pow(beta, static_cast<double>(t)) : 1;
    slot.states[root].copy_(inverse_power(slot.states[factor], power, config_.floor)).mul_(std::pow(bias, power));
  }

  void direct(Slot& slot, const UpdateContext& context) const {
    const Moments adam{config_.betas[0], config_.betas[1], 0};
    const auto t = static_cast<double>(context.update);
    const double m_bias = 1 - std::pow(adam.beta1, t), v_bias = 1 - std::pow(adam.beta2, t);
    const at::Tensor g = as_matrix(slot.master->grad) * context.grad_scale;
    const auto has = sides(*slot.master);
    if (has.left) take_in(slot.states[kLeft], ingot::matmul(g, g.t()));
    if (has.right) take_in(slot.states[kRight], ingot::matmul(g.t(), g));
    if (context.update == 1 || context.update % config_.precondition_frequency == 0) {
      if (has.left) compute_root(slot, kLeft, kLeftRoot, context.update);
      if (has.right) compute_root(slot, kRight, kRightRoot, context.update);
    }
    at::Tensor m = as_matrix(slot.states[kM]);
    m.mul_(adam.beta1).add_(g, 1 - adam.beta1);
    const at::Tensor mean = m / m_bias;
    at::Tensor d;
    if (has.count() > 0) {
      d = sandwich(has.left ? slot.states[kLeftRoot] : at::Tensor(), mean,
                   has.right ? slot.states[kRightRoot] : at::Tensor());
    }
    if (has.count() == 0 || config_.graft == Graft::kAdam) {
      at::Tensor v = as_matrix(slot.states[kV]);
      v.mul_(adam.beta2).addcmul_(g, g, 1 - adam.beta2);
      const at::Tensor adams = mean / (v / v_bias).sqrt().add_(config_.eps);
      d = d.defined() ? d * (adams.norm() / (d.norm() + 1e-16)) : adams;
    }
    slot.direction.copy_(d.view(slot.direction.sizes()));
  }

  const ShampooConfig& config_;
};

}  // namespace
}  // namespace ingot::shampoo

namespace ingot {

void register_shampoo(Family<OptimizerEntry>& family) {
  using namespace shampoo;
  add_optimizer<ShampooConfig>(
      family, "shampoo", "Gradients multiplied from both sides by inverse roots of their second moments.",
      "Gupta et al. 2018, arXiv:1802.09568", [](const ShampooConfig& c) { return std::make_unique<Shampoo>(c); },
      check_betas<2>)
      .samples = {"{graft: none, precondition_frequency: 2, floor: 1e-3}",
                  "{shampoo_beta: 1, power: 0.5, max_precond_dim: 32}"};
}

}  // namespace ingot
