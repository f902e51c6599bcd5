// KL-SOAP: SOAP whose factors are those of the Gaussian that is closest to the gradients in the Kullback-Leibler
// divergence; each side's statistics are whitened by the other side.
//
//   L = β·L + (1 - β)/n · (G QR) diag(1/λR) (G QR)ᵀ           R likewise by QL, λL and m
//   λL = β·λL + (1 - β)·mean over columns of P²/λR            P = QLᵀ G QR; λR likewise by λL, both by the old values
//   QL, QR: eigenvectors of L and R; at first exact, then every f updates Q ← qr(S Q)
//   w = (w - η·d)·(1 - η·λ)                                    d: Adam's direction by G in that basis (rotated_adam.h)
//
// G [m, n]: gradient of a matrix, λL [m], λR [n]: eigenvalues of the factors, from `start_eigenvalue`; kept as
// 1/sqrt(λ), which is held below max(10, min(length of the side, 4000)). No correction for bias. The first update takes
// G as it is into L and R and moves no weight. State for each matrix: 2·mn + 2·m² + 2·n² + m + n numbers. A side longer
// than max_precond_dim counts as the identity; what is no matrix is trained by Adam without correction of bias. Lin et
// al. 2025 (arXiv:2509.03378), as its authors released it.

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "config/units.h"
#include "device/matmul.h"
#include "optim/betas.h"
#include "optim/rotated_adam.h"

namespace ingot::kl_soap {
namespace {

using kronecker::Side;

struct KlSoapConfig {
  double lr = 1e-4;
  std::vector<double> betas = {0.9, 0.98};
  double eps = 1e-8;
  double weight_decay = 0.01;
  std::int64_t precondition_frequency = 10;
  std::int64_t max_precond_dim = 10000;
  double start_eigenvalue = 0.1;
  bool normalize = false;
};

void describe(Fields& f, KlSoapConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas,
          "decay rates of the average of the rotated gradient, and of its square, the factors and their eigenvalues",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate, after the step", Rule{}.at_least(0));
  f.field("precondition_frequency", c.precondition_frequency, "updates from one change of the bases to the next",
          Rule{}.at_least(1));
  f.field("max_precond_dim", c.max_precond_dim, "sides longer than this are not rotated", Rule{}.at_least(1));
  f.field("start_eigenvalue", c.start_eigenvalue, "of the factors, before gradients tell", Rule{}.above(0));
  f.field("normalize", c.normalize, "whether each parameter's direction is divided by its root mean square");
}

constexpr double kLeastBound = 10, kGreatestBound = 4000;  // of 1/sqrt(λ)

class KlSoap final : public RotatedAdam {
 public:
  explicit KlSoap(const KlSoapConfig& config) : config_(config) {}

 private:
  enum More : std::size_t { kLeftRoots, kRightRoots };

  Rules rules() const override {
    return {{config_.betas[0], config_.betas[1], config_.eps},
            /*correct_bias=*/false,
            config_.normalize,
            config_.precondition_frequency,
            /*sorted=*/false,
            config_.max_precond_dim};
  }
  std::vector<StateSpec> more_states() const override {
    return {roots("left_inverse_roots", Side::kLeft), roots("right_inverse_roots", Side::kRight)};
  }
  /// 1/sqrt(λ) of a side.
  StateSpec roots(const std::string& name, Side side) const {
    auto spec = kronecker::factor_state(name, side, config_.max_precond_dim);
    spec.shape = [square = spec.shape](const Master& master) { return std::vector<std::int64_t>{square(master)[0]}; };
    spec.start = [value = 1 / std::sqrt(config_.start_eigenvalue)](at::Tensor& state, const Master& /*master*/) {
      state.fill_(value);
    };
    return spec;
  }

  void observe(Factors& factors, const at::Tensor& g, const at::Tensor& projected) const override {
    if (!factors.left.defined() && !factors.right.defined()) return;
    const bool first = !projected.defined();
    const at::Tensor left_roots = factors.more[kLeftRoots], right_roots = factors.more[kRightRoots];
    // G [m, n] and Gᵀ [n, m], whitened along their columns.
    const at::Tensor by_right =
        first || !factors.right.defined() ? g : ingot::matmul(g, factors.right_basis) * right_roots;
    const at::Tensor by_left =
        first || !factors.left.defined() ? g.t() : ingot::matmul(g.t(), factors.left_basis) * left_roots;
    const double beta = config_.betas[1];
    const auto take_in = [&](at::Tensor factor, const at::Tensor& h) {
      if (factor.defined())
        factor.mul_(beta).add_(ingot::matmul(h, h.t()), (1 - beta) / static_cast<double>(h.size(1)));
    };
    take_in(factors.left, by_right);
    take_in(factors.right, by_left);
    if (first) return;
    const at::Tensor left_values = (factors.right.defined() ? projected * right_roots : projected).square().mean(1);
    const at::Tensor right_values =
        (factors.left.defined() ? projected * left_roots.unsqueeze(1) : projected).square().mean(0);
    if (factors.left.defined()) follow(left_roots, left_values);
    if (factors.right.defined()) follow(right_roots, right_values);
  }
  void follow(at::Tensor roots, const at::Tensor& values) const {
    const at::Tensor moved = roots.square().reciprocal().lerp(values, 1 - config_.betas[1]);
    const double bound = std::max(kLeastBound, std::min(static_cast<double>(roots.numel()), kGreatestBound));
    roots.copy_(moved.rsqrt().clamp_max(bound));
  }

  const KlSoapConfig& config_;
};

}  // namespace
}  // namespace ingot::kl_soap

namespace ingot {

void register_kl_soap(Family<OptimizerEntry>& family) {
  using namespace kl_soap;
  add_optimizer<KlSoapConfig>(
      family, "kl_soap", "SOAP with factors that are closest to the gradients in the Kullback-Leibler divergence.",
      "Lin et al. 2025, arXiv:2509.03378", [](const KlSoapConfig& c) { return std::make_unique<KlSoap>(c); },
      check_betas<2>)
      .samples = {"{precondition_frequency: 2, max_precond_dim: 32}"};
}

}  // namespace ingot
