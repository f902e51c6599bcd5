// Dion: orthonormal updates of a given rank, by one step of power iteration with error feedback.
//
//   B = M + G                                M keeps what updates have left of the gradients
//   P = Q factor of B·Q                      [m, r], Q [n, r] from the update before, first normal numbers
//   R = Bᵀ P
//   M = B - (1 - μ)·P Rᵀ
//   Q = R with columns divided by (their norm + ε)
//   W = (1 - η·λ)·W - η·sqrt(m/n)·P Qᵀ
//
// W, G, M [m, n]; r: `rank_fraction` of the smaller side, rounded up to a multiple of `rank_multiple`. For m < n the
// same is done with B's transpose, so that Q lies on the smaller side. Momentum is a sum, not an average. While M + G
// is all zero, P is 0 and Q stays. States M: 4 bytes for each fp32 parameter, Q: 4 r min(m, n).
// Ahn et al. 2025, arXiv:2504.05295, algorithm 1; with Householder's factorisation in place of the authors' randomised
// Cholesky one, whose result is the same up to rounding and to signs that cancel.

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/linalg_qr.h>

#include <algorithm>
#include <cmath>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"
#include "optim/matrix/products.h"
#include "optim/noise.h"

namespace ingot::dion {
namespace {

struct DionConfig {
  double lr = 0.01;
  double weight_decay = 0;
  double momentum = 0.95;
  double rank_fraction = 1;
  std::int64_t rank_multiple = 1;
  double eps = 1e-8;
};

void describe(Fields& f, DionConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  f.field("momentum", c.momentum, "share of what an update applied that stays in the sum of gradients",
          Rule{}.at_least(0).below(1));
  f.field("rank_fraction", c.rank_fraction, "rank of updates as a share of the smaller side",
          Rule{}.above(0).at_most(1));
  f.field("rank_multiple", c.rank_multiple, "the rank is rounded up to a multiple of this", Rule{}.at_least(1));
  f.field("eps", c.eps, "added to the norms of columns", Rule{}.above(0));
}

std::int64_t rank_of(const DionConfig& c, std::int64_t side) {
  const auto wanted = static_cast<std::int64_t>(std::ceil(c.rank_fraction * static_cast<double>(side)));
  const auto rounded = (wanted + c.rank_multiple - 1) / c.rank_multiple * c.rank_multiple;
  return std::min(rounded, side);
}

class Dion final : public MatrixOptimizer {
 public:
  explicit Dion(const DionConfig& config) : config_(config) {}

  std::vector<StateSpec> state_specs() const override {
    const auto shape = [this](const Master& m) {
      const auto side = std::min(m.shape[0], m.shape[1]);
      return std::vector<std::int64_t>{side, rank_of(config_, side)};
    };
    const auto start = [](at::Tensor& q, const Master& m) { start_normal(q, "dion", m); };
    return {{kMomentumState, nullptr, std::nullopt, nullptr}, {"basis", shape, std::nullopt, start}};
  }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    at::Tensor momentum = slot.states[0], q = slot.states[1];
    const at::Tensor sum = at::add(momentum, slot.master->grad, context.grad_scale);
    const bool is_wide = sum.size(0) < sum.size(1);
    const at::Tensor b = is_wide ? sum.t() : sum;

    const at::Tensor any = sum.ne(0).any().to(sum.scalar_type());  // 1 unless all is zero
    // A copy of q lies at an address of its own: products' last bits depend on it.
    const at::Tensor p = std::get<0>(at::linalg_qr(product(b, q.clone()))) * any;
    const at::Tensor r = product(b.t(), p);
    momentum.copy_(sum).sub_(is_wide ? product(r, p.t()) : product(p, r.t()), 1 - config_.momentum);
    q.mul_(1 - any).add_(r / (column_norms(r) + config_.eps));

    const double scale = shape_scale(ShapeScale::kSpectral, sum.size(0), sum.size(1));
    return (is_wide ? product(q, p.t()) : product(p, q.t())).mul_(scale);
  }

 private:
  const DionConfig& config_;
};

}  // namespace
}  // namespace ingot::dion

namespace ingot {

void register_dion(Family<OptimizerEntry>& family) {
  using namespace dion;
  auto& entry = add_matrix_optimizer<DionConfig, Dion>(
      family, "dion", "Orthonormal updates of a given rank, with error feedback.", "Ahn et al. 2025, arXiv:2504.05295");
  entry.update_size = UpdateSize::kSpectral;
  entry.samples = {"{rank_fraction: 0.3, rank_multiple: 2, momentum: 0.9}"};
}

}  // namespace ingot
