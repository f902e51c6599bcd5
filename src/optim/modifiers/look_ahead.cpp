// Look-ahead along an average of past updates (EMA-Nesterov).
//
//   x_{t+1} = A_t(x_t + s_t·m_t)                      A_t: the optimizer's update, gradient and decay at its argument
//   m_{t+1} = γ·m_t + (1 - γ)·(x_{t+1} - x_t)         m_1 = 0
//   s_t     = β · (learning rate / its peak), 0 outside of [start, end of the run - rest)
//
// The masters are y_t = x_t + s_t·m_t, where gradients are taken; evaluated is x_t = y_t - s_t·m_t. γ: decay, β:
// strength. Elementwise. State m: 4 bytes for each fp32 parameter; x is never kept: as x_t = y_t - s_t·m_t,
//
//   m_{t+1} = (γ + (1 - γ)·s_t)·m_t - (1 - γ)·y_t + (1 - γ)·x_{t+1}
//
// of which the first part is done before the update and the second behind it. Constraints act on y.
// Yau et al. 2026, arXiv:2605.25395, equations of EMA-Nesterov; s_t follows the rate as in their release. Strength 0.3
// and decay 0.99 are those of record 39 of the modded-nanogpt optimizer track, with start 300 and rest 950 of about
// 3,000 updates.

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "optim/runs.h"
#include "optim/warmup.h"

namespace ingot::look_ahead {
namespace {

struct LookAheadConfig {
  double strength = 0.3;
  double decay = 0.99;
  Duration start = Duration::of_steps(0);
  Duration rest = Duration::of_steps(0);
  bool follow_rate = true;
};

void describe(Fields& f, LookAheadConfig& c) {
  f.field("strength", c.strength, "how far it looks ahead, in averaged updates", Rule{}.above(0));
  f.field("decay", c.decay, "share of the average of updates that an update keeps", Rule{}.at_least(0).below(1));
  f.field("start", c.start, "updates at the beginning of the run without looking ahead", Rule{}.at_least(0));
  f.field("rest", c.rest, "updates at its end without", Rule{}.at_least(0));
  f.field("follow_rate", c.follow_rate, "whether the strength falls with the learning rate");
}

class LookAhead final : public Modifier {
 public:
  explicit LookAhead(const LookAheadConfig& config) : config_(config) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override { return {{"average", nullptr, std::nullopt, nullptr}}; }

  void modify(std::vector<Slot>& slots, const UpdateContext& context) const override {
    const double keep = config_.decay, gain = 1 - keep, s = scale(context, context.position);
    for (auto& run : runs_of(slots)) run.states[0].mul_(keep + gain * s).sub_(run.value, gain);
  }
  void follow(std::vector<Slot>& slots, const UpdateContext& context) const override {
    const double s = scale(context, context.position + 1);
    for (auto& run : runs_of(slots)) {
      run.states[0].add_(run.value, 1 - config_.decay);
      if (s != 0) run.value.add_(run.states[0], s);
    }
  }

  bool has_evaluation_weights() const override { return true; }
  void evaluation_weights(const Slot& slot, const UpdateContext& context, at::Tensor& weights) const override {
    weights.sub_(slot.states[0], scale(context, context.position + 1));
  }

 private:
  /// s of the update at a position.
  double scale(const UpdateContext& context, std::int64_t position) const {
    const auto total = context.run.total_steps;
    if (position < steps_of(config_.start, context.run)) return 0;
    if (config_.rest.amount > 0 && position >= total - steps_of(config_.rest, context.run)) return 0;
    if (!config_.follow_rate || !context.rate_factor) return config_.strength;
    // Schedules end with the run; behind its last update the weights look ahead as before it.
    return config_.strength * context.rate_factor(total > 0 ? std::min(position, total - 1) : position);
  }

  const LookAheadConfig& config_;
};

}  // namespace
}  // namespace ingot::look_ahead

namespace ingot {

void register_look_ahead(Family<ModifierEntry>& family) {
  add_entry<look_ahead::LookAheadConfig, look_ahead::LookAhead>(
      family, "look_ahead", "Takes gradients ahead of the weights, along an average of past updates (EMA-Nesterov).",
      "Yau et al. 2026, arXiv:2605.25395")
      .samples = {"{strength: 0.5, decay: 0.9, follow_rate: false, start: 2 steps}"};
}

}  // namespace ingot
