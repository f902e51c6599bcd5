// AdamW without a schedule: an average of the weights takes the place of the decay of the rate.
//
//   v = β2·v + (1 - β2)·g²
//   u = g / (sqrt(v/(1 - β2^t)) + ε) + λ·y
//   c = w_t / (w_1 + … + w_t),  w_s = s^r · (largest rate up to s)^p
//   y = y + c·(z - y) - η·(1 - β1·(1 - c))·u
//   z = z - η·u                                          in this order: y moves to the z from before
//
// y: masters, at which gradients g are taken; z: the sequence that steps, at first y; t: update from 1, η: learning
// rate, λ: weight decay, p: weight_lr_power. Evaluated is x, of which y = (1 - β1)·z + β1·x holds: x = y + (1 - 1/β1)·
// (z - y). It is the mean of all z, each with the weight w. Elementwise. State z, v: 8 bytes for each fp32 parameter.
// The warm-up is that of `optim.schedule`, which otherwise stays constant; a mean over w gives the updates of the
// warm-up little weight. The rate is one to ten times AdamW's.
// Defazio et al. 2024, arXiv:2405.15682, and the authors' release, which never keeps x.

#include "optim/optimizers/schedule_free_adamw.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "config/units.h"
#include "optim/betas.h"
#include "optim/elementwise.h"

namespace ingot::schedule_free_adamw {
namespace {

struct ScheduleFreeConfig {
  double lr = 2.5e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  double r = 0;
  double weight_lr_power = 2;
};

void describe(Fields& f, ScheduleFreeConfig& c) {
  f.field("lr", c.lr, "learning rate after the warm-up", Rule{}.at_least(0));
  f.field("betas", c.betas,
          "share of the mean in the weights at which gradients are taken; decay rate of the average of the squared "
          "gradient",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
  f.field("r", c.r, "power of the number of the update in the weights of the mean; 0: all count alike",
          Rule{}.at_least(0));
  f.field("weight_lr_power", c.weight_lr_power,
          "power of the largest learning rate so far in the weights of the mean; 0: the warm-up counts like the rest",
          Rule{}.at_least(0));
}

class ScheduleFree final : public FusedOptimizer {
 public:
  explicit ScheduleFree(const ScheduleFreeConfig& config) : config_(config) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override {
    const auto begin = [](at::Tensor& state, const Master& master) { state.copy_(master.value); };
    return {{"z", nullptr, std::nullopt, begin}, {"exp_avg_sq", nullptr, std::nullopt, nullptr}};
  }
  DecayMode decay() const override { return DecayMode::kCoupled; }  // it is in the direction
  bool has_evaluation_weights() const override { return true; }
  void evaluation_weights(const Slot& slot, const UpdateContext& /*context*/, at::Tensor& weights) const override {
    weights.lerp_(slot.states[0], 1 - 1 / config_.betas[0]);
  }

 private:
  /// The sum of the mean's weights up to an update: a function of the schedule, kept so that each is added once.
  struct Sum {
    std::int64_t update = 0;
    double largest_rate = 0;  // in peaks
    double newest = 0, all = 0;
  };

  /// c
  double mix(const UpdateContext& context) const {
    if (sum_.update > context.update) sum_ = {};  // the run went back
    while (sum_.update < context.update) {
      ++sum_.update;
      sum_.largest_rate = std::max(sum_.largest_rate, context.rate_factor_at(sum_.update));
      sum_.newest = std::pow(sum_.update, config_.r) * std::pow(sum_.largest_rate, config_.weight_lr_power);
      sum_.all += sum_.newest;
    }
    return sum_.all > 0 ? sum_.newest / sum_.all : 0;
  }

  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const double beta1 = config_.betas[0], beta2 = config_.betas[1], c = mix(context);
    const double root = 1 / std::sqrt(1 - std::pow(beta2, static_cast<double>(context.update)));
    for (const auto& r : runs_of(slots)) {
      // A direction is applied times the rate.
      const double step = !directions_only ? 1 : r.lr > 0 ? 1 / r.lr : 0;
      update_run<ScheduleFreeRule>(r, {context.grad_scale, 0, 1, step},
                                   {beta2, 1 - beta2, root, config_.eps, r.weight_decay, r.lr, c, 1 - beta1 * (1 - c)},
                                   directions_only);
    }
  }

  const ScheduleFreeConfig& config_;
  mutable Sum sum_;
};

SettingsProblems validate(const ScheduleFreeConfig& c) {
  auto problems = check_betas<2>(c);
  if (problems.empty() && c.betas[0] == 0) {
    problems.push_back({"betas", "expected the first above 0: the weights to evaluate follow by a division"});
  }
  return problems;
}

}  // namespace
}  // namespace ingot::schedule_free_adamw

namespace ingot {

void register_schedule_free_adamw(Family<OptimizerEntry>& family) {
  using namespace schedule_free_adamw;
  add_optimizer<ScheduleFreeConfig>(
      family, "schedule_free_adamw", "AdamW whose weights are averaged in place of a decay of the learning rate.",
      "Defazio et al. 2024, arXiv:2405.15682",
      [](const ScheduleFreeConfig& c) { return std::make_unique<ScheduleFree>(c); }, validate)
      .samples = {"{betas: [0.95, 0.99], r: 1, weight_lr_power: 0}"};
}

}  // namespace ingot
