// PSGD with Kronecker-factored preconditioners: triangular factors that learn to whiten the gradient.
//
//   m = β·m + (1 - β)·g,  h = m/(1 - β^t)
//   in some updates (see below), with V [m, n] of normal numbers:
//     h = h + sqrt(2^-23)·mean(|h|)·V
//     A = QL h QRᵀ,  B = QL^(-T) V QR^(-1)
//     QL = QL - μ·triu(A Aᵀ - B Bᵀ) QL / ‖A Aᵀ + B Bᵀ‖,  QR likewise by Aᵀ A and Bᵀ B
//   d = QLᵀ QL h QRᵀ QR;  d = d·min(1, 1.1/(rms(d) + 1e-12))
//   w = (1 - η·λ)·w - η·d
//
// g [m, n]: gradient of a matrix, QL [m, m], QR [n, n]: upper triangular, from `start_scale`·I; ‖·‖: a lower bound of
// the spectral norm by one step of power iteration; η: learning rate, λ: weight decay, μ: preconditioner_lr, t: update
// from 1. A side longer than max_precond_dim, or of length 1, has a diagonal factor [m], with sums of squares of rows
// in place of A Aᵀ and their largest for the norm; what is no matrix counts as one row with a diagonal. The factors are
// updated whenever 1/p updates have passed since the last, where p falls from 1 by exp(-decay·(t - 1 - flat_updates))
// to least_probability. In `balance` of those updates, by chance, QL and QR are scaled to the same largest element.
//
// V comes from (seed, parameter, t), chance from (seed, t). State for each matrix: mn + m² + n² numbers in the masters'
// type, in which everything is computed. Li 2018 (arXiv:1512.04202) and Li 2022 (arXiv:2211.04422, section 3.2) as in
// the release of kron_torch: that h keeps its noise, the clipping and the schedule of p are from there.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_solve_triangular.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "base/text.h"
#include "config/units.h"
#include "device/matmul.h"
#include "optim/kronecker.h"
#include "optim/noise.h"

namespace ingot::psgd_kron {
namespace {

using namespace kronecker;

struct PsgdKronConfig {
  double lr = 3e-4;
  double beta = 0.9;
  double weight_decay = 0;
  double preconditioner_lr = 0.1;
  double start_scale = 1;
  double least_probability = 0.03;
  double decay = 1e-3;
  std::int64_t flat_updates = 500;
  double balance = 0.01;
  std::int64_t max_precond_dim = 8192;
};

void describe(Fields& f, PsgdKronConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("beta", c.beta, "decay rate of the average of the gradient", Rule{}.at_least(0).below(1));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
  f.field("preconditioner_lr", c.preconditioner_lr, "step of the factors", Rule{}.above(0).below(1));
  f.field("start_scale", c.start_scale, "of the preconditioner, times the identity", Rule{}.above(0));
  f.field("least_probability", c.least_probability, "share of updates that update the factors, in the end",
          Rule{}.above(0).at_most(1));
  f.field("decay", c.decay, "how fast that share falls, in each update", Rule{}.at_least(0));
  f.field("flat_updates", c.flat_updates, "updates at first that all update the factors", Rule{}.at_least(0));
  f.field("balance", c.balance, "share of the factors' updates that give both sides one scale",
          Rule{}.at_least(0).at_most(1));
  f.field("max_precond_dim", c.max_precond_dim, "sides longer than this have a diagonal factor", Rule{}.at_least(1));
}

enum State : std::size_t { kM, kLeft, kRight, kSince };

/// A factor: [k, k], upper triangular, or [k], the diagonal.
struct Factor {
  at::Tensor q;
  bool is_diagonal() const { return q.dim() < 2; }
};

/// q x, for x [k, n].
at::Tensor times(const Factor& f, const at::Tensor& x) {
  return f.is_diagonal() ? f.q.unsqueeze(1) * x : ingot::matmul(f.q, x);
}
/// qᵀ q x.
at::Tensor squared_times(const Factor& f, const at::Tensor& x) {
  return f.is_diagonal() ? f.q.square().unsqueeze(1) * x : ingot::matmul(f.q.t(), ingot::matmul(f.q, x));
}
/// q^(-T) x.
at::Tensor inverse_transposed_times(const Factor& f, const at::Tensor& x) {
  return f.is_diagonal() ? x / f.q.unsqueeze(1) : at::linalg_solve_triangular(f.q.t(), x, /*upper=*/false);
}

/// At most the spectral norm of a symmetric matrix, at least its largest row.
at::Tensor lower_bound(const at::Tensor& s, const at::Tensor& largest) {
  const at::Tensor a = s / largest;
  const at::Tensor x = a.select(1, a.square().sum(0).argmax().item<std::int64_t>()).contiguous();
  const at::Tensor y = a.t().mv(x);
  return a.mv(y / y.norm()).norm() * largest;
}

/// One step of a factor by a, b [k, n].
void learn(Factor& f, const at::Tensor& a, const at::Tensor& b, double rate) {
  const double tiny =
      f.q.scalar_type() == at::kDouble ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  if (f.is_diagonal()) {
    const at::Tensor aa = a.square().sum(1), bb = b.square().sum(1);
    f.q.sub_((aa - bb) * rate * f.q / (aa + bb).abs().amax().clamp_min(tiny));
    return;
  }
  const at::Tensor aa = ingot::matmul(a, a.t()), bb = ingot::matmul(b, b.t());
  const at::Tensor sum = aa + bb;
  const at::Tensor largest = sum.abs().amax();
  if (largest.item<double>() == 0) return;
  const at::Tensor change = ((aa - bb) * rate).triu() / lower_bound(sum, largest).clamp_min(tiny);
  f.q.sub_(ingot::matmul(change, f.q));
}

class PsgdKron final : public Optimizer {
 public:
  explicit PsgdKron(const PsgdKronConfig& config) : config_(config) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kMatrix; }
  std::vector<StateSpec> state_specs() const override {
    StateSpec since = full_state("since");
    since.shape = [](const Master& /*master*/) -> std::vector<std::int64_t> { return {1}; };
    return {full_state("momentum"), factor("left", Side::kLeft), factor("right", Side::kRight), since};
  }
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const override {
    each_on_one_thread(slots, [&](Slot& slot) { direct(slot, context); });
  }

 private:
  /// A master as a matrix: what is none counts as one row.
  static at::Tensor matrix(const Master& master, const at::Tensor& x) {
    return is_matrix(master) ? as_matrix(x) : x.reshape({1, -1});
  }
  StateSpec factor(const std::string& name, Side side) const {
    const auto shape = [side, dim = config_.max_precond_dim](const Master& master) -> std::vector<std::int64_t> {
      if (!is_matrix(master)) return {side == Side::kLeft ? 0 : master.numel};
      const auto k = length(master, side);
      if (k == 1 || k > dim) return {k};
      return {k, k};
    };
    const auto start = [scale = config_.start_scale](at::Tensor& state, const Master& master) {
      const double own = is_matrix(master) ? std::sqrt(scale) : scale;
      (state.dim() == 2 ? state.diagonal() : state).fill_(own);
    };
    return {name, shape, std::nullopt, start};
  }

  /// Share of updates that update the factors, at update t.
  double probability(std::int64_t t) const {
    const auto past = static_cast<double>(t - 1 - config_.flat_updates);
    return std::min(1.0, std::max(config_.least_probability, std::exp(-config_.decay * past)));
  }

  void direct(Slot& slot, const UpdateContext& context) const {
    const auto& master = *slot.master;
    const bool both = is_matrix(master);
    Factor left{slot.states[kLeft]}, right{slot.states[kRight]};
    at::Tensor m = matrix(master, slot.states[kM]);
    m.mul_(config_.beta).add_(matrix(master, master.grad), (1 - config_.beta) * context.grad_scale);
    at::Tensor h = m / (1 - std::pow(config_.beta, static_cast<double>(context.update)));

    at::Tensor since = slot.states[kSince];
    since.add_(1);
    if (since.item<double>() >= 1 / probability(context.update)) {
      since.zero_();
      RandomStream chance(context.seed, cat("psgd_kron/balance/", context.update));
      if (both && chance.uniform() < config_.balance) balance(left, right);
      const at::Tensor v = normal_noise(
          h.sizes(), stream_key(context.seed, cat("psgd_kron/", master.name, "/", context.update)), h.options());
      learn(left, right, h, v, both);
    }
    at::Tensor d = squared_times(right, (both ? squared_times(left, h) : h).t()).t();
    d = d * (1.1 / (d.square().mean().sqrt() + 1e-12)).clamp_max(1);
    slot.direction.copy_(d.reshape(slot.direction.sizes()));
  }

  void learn(Factor& left, Factor& right, at::Tensor& h, const at::Tensor& v, bool both) const {
    h.add_(v * h.abs().mean(), std::sqrt(static_cast<double>(std::numeric_limits<float>::epsilon())));
    const at::Tensor a = times(right, (both ? times(left, h) : h).t()).t();
    const at::Tensor b = inverse_transposed_times(right, (both ? inverse_transposed_times(left, v) : v).t()).t();
    if (both) psgd_kron::learn(left, a, b, config_.preconditioner_lr);
    psgd_kron::learn(right, a.t(), b.t(), config_.preconditioner_lr);
  }

  static void balance(Factor& left, Factor& right) {
    const at::Tensor l = left.q.abs().amax(), r = right.q.abs().amax();
    const at::Tensor mean = (l * r).sqrt();
    left.q.mul_(mean / l);
    right.q.mul_(mean / r);
  }

  const PsgdKronConfig& config_;
};

}  // namespace
}  // namespace ingot::psgd_kron

namespace ingot {

void register_psgd_kron(Family<OptimizerEntry>& family) {
  using namespace psgd_kron;
  add_optimizer<PsgdKronConfig>(
      family, "psgd_kron", "Preconditioners of two triangular factors that learn to whiten the gradient.",
      "Li 2022, arXiv:2211.04422", [](const PsgdKronConfig& c) { return std::make_unique<PsgdKron>(c); })
      .samples = {"{max_precond_dim: 32, flat_updates: 1, decay: 1, least_probability: 0.4, balance: 1}"};
}

}  // namespace ingot
