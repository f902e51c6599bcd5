// Sophia-G: momentum divided by a running estimate of the diagonal of the curvature, element by element, and clipped.
//
//   m = β1·m + (1 - β1)·g
//   w = (1 - η·λ)·w - η·clip(m / (ρ·h + 1e-15), ±1)
//   h = β2·h + (1 - β2)·B·ĝ²             after every k-th update
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, ρ: `rho`. ĝ: the gradient, at the new weights, of the
// mean loss over B labels drawn from the model's own predictions for the batch, so that B·ĝ² estimates the diagonal of
// the Gauss-Newton matrix; it takes a forward and a backward pass more. While h is 0 the step is the sign of m.
// Elementwise. State m, h: 8 bytes for each fp32 parameter. Liu et al. 2023 (arXiv:2305.14342), algorithms 2 and 3;
// constants as in the authors' code, which keeps h without B, multiplies it by B in the update, draws labels for the
// batches that follow, and clips ĝ by its norm where gradients are clipped.

#include "optim/optimizers/sophia_g.h"

#include <ATen/TensorOperators.h>

#include "base/text.h"
#include "config/units.h"
#include "optim/betas.h"
#include "optim/elementwise.h"

namespace ingot::sophia_g {
namespace {

struct SophiaConfig {
  double lr = 1e-4;
  std::vector<double> betas = {0.965, 0.99};
  double rho = 0.04;
  std::int64_t every = 10;
  double weight_decay = 0;
};

void describe(Fields& f, SophiaConfig& c) {
  f.field("lr", c.lr, "peak learning rate: the largest step of an element", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of the curvature",
          Rule{}.at_least(0).below(1));
  f.field("rho", c.rho, "multiplies the curvature: with less of it more elements are clipped", Rule{}.above(0));
  f.field("every", c.every, "updates from one estimate of the curvature to the next", Rule{}.at_least(1));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

class Sophia final : public FusedOptimizer {
 public:
  explicit Sophia(const SophiaConfig& config) : c_(config) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override { return whole_states({"exp_avg", "hessian"}); }

  std::int64_t samples_labels_every() const override { return c_.every; }
  void observe_sampled(std::vector<Slot>& slots, const UpdateContext& context) const override {
    for (const auto& run : runs_of(slots)) {
      const at::Tensor h = run.states[1];
      h.mul_(c_.betas[1]).addcmul_(run.grad, run.grad, (1 - c_.betas[1]) * context.grad_scale);
    }
  }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    for (const auto& run : runs_of(slots)) {
      update_run<SophiaRule>(run, update_factors(run, context.grad_scale, 1, decay(), directions_only),
                             {c_.betas[0], 1 - c_.betas[0], c_.rho}, directions_only);
    }
  }

  const SophiaConfig& c_;
};

SettingsProblems warnings(const SophiaConfig& c, std::int64_t total_updates) {
  if (c.every < total_updates) return {};
  return {{"every", cat("an estimate of the curvature every ", format_grouped(c.every), " updates in a run of ",
                        format_grouped(total_updates), ": no update uses one")}};
}

}  // namespace
}  // namespace ingot::sophia_g

namespace ingot {

void register_sophia_g(Family<OptimizerEntry>& family) {
  using namespace sophia_g;
  auto& entry = add_optimizer<SophiaConfig>(
      family, "sophia_g", "Momentum over an estimate of the curvature, clipped element by element.",
      "Liu et al. 2023, arXiv:2305.14342", [](const SophiaConfig& c) { return std::make_unique<Sophia>(c); },
      check_betas<2>);
  entry.warnings = with_settings<SophiaConfig>(warnings);
}

}  // namespace ingot
