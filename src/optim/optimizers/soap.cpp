// SOAP: Adam in the eigenbasis of Shampoo's factors.
//
//   L = β·L + (1 - β)·G Gᵀ,  R = β·R + (1 - β)·Gᵀ G            β: shampoo_beta
//   QL, QR: eigenvectors of L and R; at first exact, then every f updates one step of orthogonal iteration,
//           Q ← qr(S Q), its columns sorted by the eigenvalues that they estimate
//   w = (w - η·sqrt(1 - β2^t)/(1 - β1^t)·d)·(1 - η·λ)          d: Adam's direction by G in that basis (rotated_adam.h)
//
// G [m, n]: gradient of a matrix, η: learning rate, λ: weight decay, t: update less 1. The first update starts L, R, QL
// and QR and moves nothing. ε is not corrected for bias. With `normalize` d has a root mean square of 1.
// State for each matrix: 2·mn + 2·m² + 2·n² numbers in the masters' type; computed in it as well. A side longer than
// max_precond_dim, such as the vocabulary's, is not rotated; what is no matrix is trained by Adam with the same first
// update. Vyas et al. 2024 (arXiv:2409.11321), algorithm 3 as its authors released it, which differs from the paper in
// the first update, the sorting, and the decay after the step.

#include <ATen/TensorOperators.h>

#include <optional>

#include "config/units.h"
#include "device/matmul.h"
#include "optim/betas.h"
#include "optim/rotated_adam.h"

namespace ingot::soap {
namespace {

struct SoapConfig {
  double lr = 3e-3;
  std::vector<double> betas = {0.95, 0.95};
  std::optional<double> shampoo_beta;
  double eps = 1e-8;
  double weight_decay = 0.01;
  std::int64_t precondition_frequency = 10;
  std::int64_t max_precond_dim = 10000;
  bool normalize = false;
};

void describe(Fields& f, SoapConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the rotated gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("shampoo_beta", c.shampoo_beta, "decay rate of the factors; absent: the second of `betas`",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate, after the step", Rule{}.at_least(0));
  f.field("precondition_frequency", c.precondition_frequency, "updates from one change of the bases to the next",
          Rule{}.at_least(1));
  f.field("max_precond_dim", c.max_precond_dim, "sides longer than this are not rotated", Rule{}.at_least(1));
  f.field("normalize", c.normalize,
          "whether each parameter's direction is divided by its root mean square; for bases that seldom change");
}

class Soap final : public RotatedAdam {
 public:
  explicit Soap(const SoapConfig& config) : config_(config) {}

 private:
  Rules rules() const override {
    return {{config_.betas[0], config_.betas[1], config_.eps},
            /*correct_bias=*/true,
            config_.normalize,
            config_.precondition_frequency,
            /*sorted=*/true,
            config_.max_precond_dim};
  }
  void observe(Factors& factors, const at::Tensor& g, const at::Tensor& /*projected*/) const override {
    const double share = 1 - config_.shampoo_beta.value_or(config_.betas[1]);
    if (factors.left.defined()) factors.left.lerp_(ingot::matmul(g, g.t()), share);
    if (factors.right.defined()) factors.right.lerp_(ingot::matmul(g.t(), g), share);
  }

  const SoapConfig& config_;
};

}  // namespace
}  // namespace ingot::soap

namespace ingot {

void register_soap(Family<OptimizerEntry>& family) {
  using namespace soap;
  add_optimizer<SoapConfig>(
      family, "soap", "Adam in the eigenbasis of Shampoo's factors.", "Vyas et al. 2024, arXiv:2409.11321",
      [](const SoapConfig& c) { return std::make_unique<Soap>(c); }, check_betas<2>)
      .samples = {"{precondition_frequency: 2, max_precond_dim: 32, normalize: true, shampoo_beta: 0.9}"};
}

}  // namespace ingot
