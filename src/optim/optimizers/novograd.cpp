// NovoGrad: momentum of gradients normalised by a second moment of each tensor.
//
//   v = ‖g‖²  (t = 1)    v = β2·v + (1 - β2)·‖g‖²  (t > 1)
//   m = β1·m + κ·(g / (sqrt(v) + ε) + λ·w)
//   w = w - η·m
//
// w: a tensor, g: its gradient, ‖·‖: Frobenius norm, v: one number, η: learning rate, λ: weight decay, κ: 1, or 1 - β1
// with `averaging`. No bias correction. Momentum sums unit directions: an update of a tensor of N numbers has a norm
// between 1/sqrt(1 - β1²) and 1/(1 - β1), so that rates around 0.01 are usual and larger tensors move less. State m: 4
// bytes for each fp32 parameter, and v: 4 for each tensor. Ginsburg et al. 2019 (arXiv:1905.11286), algorithm 1; as in
// the authors' code, where v also starts over from ‖g‖² after it was 0.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "config/units.h"
#include "optim/betas.h"
#include "optim/elementwise.h"
#include "optim/optimizers/sgd.h"
#include "optim/sums.h"

namespace ingot::novograd {
namespace {

struct NovogradConfig {
  double lr = 1e-2;
  std::vector<double> betas = {0.95, 0.98};
  double eps = 1e-8;
  bool averaging = false;
  double weight_decay = 0;
};

void describe(Fields& f, NovogradConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the momentum and of each tensor's squared norm",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("averaging", c.averaging, "whether momentum averages, not sums");
  f.field("weight_decay", c.weight_decay, "weight decay, added to the normalised gradient", Rule{}.at_least(0));
}

class Novograd final : public FusedOptimizer {
 public:
  explicit Novograd(const NovogradConfig& config) : c_(config) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kMatrix; }
  std::vector<StateSpec> state_specs() const override {
    auto specs = whole_states({"momentum"});
    specs.push_back({"norm_sq", [](const Master&) { return std::vector<std::int64_t>{1}; }, std::nullopt, nullptr});
    return specs;
  }
  DecayMode decay() const override { return DecayMode::kCoupled; }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const sgd::MomentumRule::Constants<double> constants{c_.betas[0], c_.averaging ? 1 - c_.betas[0] : 1, 0, 1};
    for (const auto& slot : slots) {
      const Run run = run_of(slot, 1);
      const double norm = std::sqrt(moved_square(slot, sum_of_squares({context.grad_scale, run.grad})));
      update_run<sgd::MomentumRule>(
          run, update_factors(run, context.grad_scale / (norm + c_.eps), 1, decay(), directions_only), constants,
          directions_only);
    }
  }

  /// v after this update.
  double moved_square(const Slot& slot, double square) const {
    const double before = slot.states[1].item().toDouble();
    const double after = before == 0 ? square : c_.betas[1] * before + (1 - c_.betas[1]) * square;
    slot.states[1].fill_(after);
    return after;
  }

  const NovogradConfig& c_;
};

}  // namespace
}  // namespace ingot::novograd

namespace ingot {

void register_novograd(Family<OptimizerEntry>& family) {
  using namespace novograd;
  add_optimizer<NovogradConfig>(
      family, "novograd", "Momentum of gradients that a second moment of each tensor normalises.",
      "Ginsburg et al. 2019, arXiv:1905.11286", [](const NovogradConfig& c) { return std::make_unique<Novograd>(c); },
      check_betas<2>)
      .samples = {"{averaging: true, betas: [0.9, 0.5]}"};
}

}  // namespace ingot
