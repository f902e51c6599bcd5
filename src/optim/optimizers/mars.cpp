// MARS: AdamW on gradients that a share of their change corrects (variance reduction).
//
//   c = g + γ·β1/(1 - β1)·(g - g')       g': the gradient before, 0 at t = 1
//   c = c / max(1, ‖c‖)                  ‖·‖: Frobenius norm of the tensor
//   m = β1·m + (1 - β1)·c
//   v = β2·v + (1 - β2)·c²
//   w = (1 - η·λ)·w - η · m/(1 - β1^t) / (sqrt(v/(1 - β2^t)) + ε)
//
// w: a tensor, g: its gradient as it is clipped, η: learning rate, λ: weight decay, t: update from 1. Vectors have
// AdamW with `vector_betas` unless `vectors` says that they are corrected too. State m, v, g': 12 bytes for each fp32
// parameter. Yuan et al. 2024 (arXiv:2411.10438), algorithm 2, approximate: g' is of the batch before, as it was then.
// Constants as in the authors' code, which also takes v from c where the paper's text has g.

#include "optim/optimizers/mars.h"

#include "base/text.h"
#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"
#include "optim/sums.h"

namespace ingot::mars {
namespace {

struct MarsConfig {
  double lr = 3e-3;
  std::vector<double> betas = {0.95, 0.99};
  double gamma = 0.025;
  double eps = 1e-8;
  bool vectors = false;
  std::vector<double> vector_betas = {0.9, 0.95};
  double weight_decay = 0;
};

void describe(Fields& f, MarsConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the corrected gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("gamma", c.gamma, "weight of the gradient's change, times beta / (1 - beta); 0: none", Rule{}.at_least(0));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("vectors", c.vectors, "whether gradients of vectors are corrected too");
  f.field("vector_betas", c.vector_betas, "decay rates of AdamW for vectors that are not corrected",
          Rule{}.at_least(0).below(1));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

SettingsProblems validate(const MarsConfig& c) {
  auto problems = check_betas<2>(c);
  if (c.vector_betas.size() != 2)
    problems.push_back({"vector_betas", cat("expected 2 numbers, got ", c.vector_betas.size())});
  return problems;
}

class Mars final : public FusedOptimizer {
 public:
  explicit Mars(const MarsConfig& config) : c_(config) {}

  Granularity granularity(const Master& master) const override {
    return corrects(master) ? Granularity::kMatrix : Granularity::kElement;
  }
  std::vector<StateSpec> state_specs() const override {
    return whole_states({"exp_avg", "exp_avg_sq", "previous_grad"});
  }

 private:
  bool corrects(const Master& master) const { return c_.vectors || master.shape.size() > 1; }

  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    for (const auto& slot : slots) {
      const Run run = run_of(slot, 3);
      const bool is_corrected = corrects(*slot.master);
      const auto& betas = is_corrected ? c_.betas : c_.vector_betas;
      MarsRule::Constants<double> constants{
          0, 1, 1 - betas[0], betas[1], 1 - betas[1], 1 / std::sqrt(bias_correction(betas[1], context)), c_.eps};
      if (is_corrected) {
        constants.correction = c_.gamma * betas[0] / (1 - betas[0]);
        const double norm = std::sqrt(sum_of_squares(
            {(1 + constants.correction) * context.grad_scale, run.grad, -constants.correction, run.states[2]}));
        if (norm > 1) constants.clip = 1 / norm;
      }
      update_run<MarsRule>(
          run, update_factors(run, context.grad_scale, bias_correction(betas[0], context), decay(), directions_only),
          constants, directions_only);
    }
  }

  const MarsConfig& c_;
};

}  // namespace
}  // namespace ingot::mars

namespace ingot {

void register_mars(Family<OptimizerEntry>& family) {
  using namespace mars;
  add_optimizer<MarsConfig>(
      family, "mars", "AdamW on gradients that a share of their change corrects.", "Yuan et al. 2024, arXiv:2411.10438",
      [](const MarsConfig& c) { return std::make_unique<Mars>(c); }, validate)
      .samples = {"{vectors: true, gamma: 0.1}"};
}

}  // namespace ingot
