// Prodigy: Adam that finds its learning rate from how far the weights have come.
//
//   n = β3·n + (d/d0)·ρ·Σ ⟨g, w0 - w⟩             over all parameters of the group, ρ = d·η·b
//   s = β3·s + (d/d0)·ρ·g                         with safeguard_warmup (d/d0)·d·g
//   d̂ = d_coef·n / Σ ‖s‖1
//   d' = max(d, d̂) if d = d0, else d;  d_max = max(d_max, d̂);  d' = min(d_max, growth_rate·d')
//   m = β1·m + d·(1 - β1)·g
//   v = β2·v + d²·(1 - β2)·g²
//   w = (1 - ρ·λ)·w - ρ·m / (sqrt(v) + d'·ε)
//
// w: master, w0: its start, g: its gradient, η: learning rate, which stays around 1 and takes schedules, λ: weight
// decay, d: the estimated distance, d0 at first, d' that of the next update, b: Adam's bias corrections, with
// bias_correction, else 1. The sums are over the group's parameters on all ranks. An update with η = 0 changes nothing.
// State m, v, s, w0: 16 bytes for each fp32 parameter, and d, d_max, n in fp64 beside each tensor. Mishchenko & Defazio
// 2024 (arXiv:2306.06101), algorithm 4; as in the authors' code (prodigyopt), which has no root over d̂.

#include "optim/optimizers/prodigy.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <array>
#include <limits>

#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"
#include "optim/optimizers/sgd.h"
#include "optim/sums.h"

namespace ingot::prodigy {
namespace {

struct ProdigyConfig {
  double lr = 1;
  std::vector<double> betas = {0.9, 0.999};
  std::optional<double> beta3;
  double eps = 1e-8;
  bool bias_correction = false;
  bool safeguard_warmup = false;
  double d0 = 1e-6;
  double d_coef = 1;
  std::optional<double> growth_rate;
  double weight_decay = 0;
};

void describe(Fields& f, ProdigyConfig& c) {
  f.field("lr", c.lr, "multiplies the rate that is found; schedules act on it", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("beta3", c.beta3, "decay rate of the sums that the rate is found by; absent: the root of the second beta",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square, times the rate that is found", Rule{}.above(0));
  f.field("bias_correction", c.bias_correction, "whether Adam's bias corrections multiply the rate");
  f.field("safeguard_warmup", c.safeguard_warmup,
          "whether the learning rate is left out of the denominator, so that a warm-up does not raise what is found");
  f.field("d0", c.d0, "first estimate of the rate; larger than what is right, it stays", Rule{}.above(0));
  f.field("d_coef", c.d_coef, "multiplies the estimate: what to tune, by 0.5 to 2", Rule{}.above(0));
  f.field("growth_rate", c.growth_rate, "largest growth of the estimate in an update; absent: any", Rule{}.above(1));
  f.field("weight_decay", c.weight_decay, "weight decay, times the rate", Rule{}.at_least(0));
}

/// What the group knows of its distance, the same beside each tensor.
struct Estimate {
  double d, largest, numerator;
};

class Prodigy final : public FusedOptimizer {
 public:
  explicit Prodigy(const ProdigyConfig& config) : c_(config) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kMatrix; }
  std::vector<StateSpec> state_specs() const override {
    auto specs = whole_states({"exp_avg", "exp_avg_sq", "s", "start"});
    specs.back().start = [](at::Tensor& state, const Master& master) { state.copy_(master.value); };
    specs.push_back({"estimate", [](const Master&) { return std::vector<std::int64_t>{3}; }, at::kDouble,
                     [d0 = c_.d0](at::Tensor& state, const Master&) {
                       state.fill_(0);
                       state.narrow(0, 0, 2).fill_(d0);
                     }});
    return specs;
  }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const double correction =
        c_.bias_correction ? std::sqrt(bias_correction(c_.betas[1], context)) / bias_correction(c_.betas[0], context)
                           : 1;
    const auto before = slots.empty() ? Estimate{} : estimate_of(slots.front());
    const auto after = improved(slots, context, before, correction);
    const ProdigyRule::Constants<double> constants{c_.betas[0], before.d * (1 - c_.betas[0]), c_.betas[1],
                                                   before.d * before.d * (1 - c_.betas[1]), after.d * c_.eps};
    for (auto& slot : slots) {
      slot.decay_factor = before.d * correction;
      if (slot.lr == 0) {
        if (directions_only) slot.direction.zero_();
        continue;
      }
      const Run run = run_of(slot, 2);
      auto factors = update_factors(run, context.grad_scale, 1, decay(), directions_only);
      factors.step *= before.d * correction;
      update_run<ProdigyRule>(run, factors, constants, directions_only);
      store(slot, after);
    }
  }

  static Estimate estimate_of(const Slot& slot) {
    const at::Tensor host = slot.states[4].cpu();
    const auto* values = host.const_data_ptr<double>();
    return {values[0], values[1], values[2]};
  }
  static void store(const Slot& slot, const Estimate& estimate) {
    const std::array<double, 3> values = {estimate.d, estimate.largest, estimate.numerator};
    for (std::int64_t i = 0; i < 3; ++i) slot.states[4].select(0, i).fill_(values[static_cast<std::size_t>(i)]);
  }

  /// Moves s; the estimate after this update. All ranks call it.
  Estimate improved(const std::vector<Slot>& slots, const UpdateContext& context, const Estimate& before,
                    double correction) const {
    const double beta3 = c_.beta3.value_or(std::sqrt(c_.betas[1]));
    std::vector<std::array<double, 2>> sums;
    for (const auto& slot : slots) {
      const double weight = before.d / c_.d0 * before.d;
      const double rate = weight * slot.lr / slot.lr_factor * correction;
      if (slot.lr == 0) {
        sums.push_back({0, 0});
        continue;
      }
      const double moved = rate * context.grad_scale * sum_along(slot.master->grad, slot.states[3], slot.master->value);
      move_sum(slot, context.grad_scale, beta3, c_.safeguard_warmup ? weight : rate);
      sums.push_back({moved, absolute_sum(slot.states[2])});
    }
    const auto [moved, length] = sum_over_group<2>(slots, sums, context);
    if (length == 0) return before;
    Estimate after = before;
    after.numerator = beta3 * before.numerator + moved;
    const double found = c_.d_coef * after.numerator / length;
    if (before.d == c_.d0) after.d = std::max(before.d, found);
    after.largest = std::max(before.largest, found);
    after.d = c_.growth_rate ? std::min(after.largest, after.d * *c_.growth_rate) : after.largest;
    return after;
  }

  /// s <- β3·s + weight·g, as an update of s by plain descent.
  static void move_sum(const Slot& slot, double grad_scale, double beta3, double weight) {
    Run run = run_of(slot, 0);
    run.value = slot.states[2].view({-1});
    update_run<sgd::PlainRule>(run, {grad_scale, 0, beta3, -weight}, {}, false);
  }

  const ProdigyConfig& c_;
};

}  // namespace
}  // namespace ingot::prodigy

namespace ingot {

void register_prodigy(Family<OptimizerEntry>& family) {
  using namespace prodigy;
  add_optimizer<ProdigyConfig>(
      family, "prodigy", "Adam that finds its learning rate from how far the weights have come.",
      "Mishchenko & Defazio 2024, arXiv:2306.06101",
      [](const ProdigyConfig& c) { return std::make_unique<Prodigy>(c); }, check_betas<2>)
      .samples = {"{d0: 0.1, bias_correction: true, safeguard_warmup: true, growth_rate: 1.5}"};
}

}  // namespace ingot
