#pragma once
// Optimizers that take the radial part out of a direction where gradients say that the weight's length does not matter:
// the common part of AdamP and SGDP. Heo et al. 2021 (arXiv:2006.08217), algorithms 1 and 2.
//
// For a matrix, first row by row, then as a whole; p: a row of the view that is tried, n: its length
//
//   if max_p |cos(g_p, w_p)| < δ/sqrt(n):
//     d_p ← d_p - ŵ_p·⟨ŵ_p, d_p⟩,  ŵ_p = w_p/(‖w_p‖ + ε)
//     the decay is multiplied by `wd_ratio`, and no further view is tried
//
// g: gradient, w: weight, d: direction. The cosine is that of the newest gradient, not of the direction. Vectors are
// left as they are. Rows of ordinary matrices in a model with pre-norms are not scale-invariant and rarely pass the
// test.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <optional>

#include "config/units.h"
#include "optim/elementwise.h"
#include "optim/sums.h"

namespace ingot {

/// Settings of the projection, among those of the optimizer.
struct ProjectionConfig {
  double delta = 0.1;
  double wd_ratio = 0.1;
};
void describe_projection(Fields& f, ProjectionConfig& c);

/// Length of the rows of the view in which the gradient of a matrix is orthogonal to the weight; none: it is not.
std::optional<std::int64_t> orthogonal_view(const Master& master, double grad_scale, double delta, double eps);
/// Takes the radial part out of each row of `length` elements of a direction.
void take_out_radial(const at::Tensor& direction, const at::Tensor& w, std::int64_t length, double eps);

/// C: settings with the members `projection` and `eps`. All states of the rule have a number for each weight.
template <class Rule, class C>
class Projected final : public FusedOptimizer {
 public:
  using Prepare = RuleStep<Rule> (*)(const C& settings, const UpdateContext& context);

  Projected(const C& settings, std::vector<std::string> states, Prepare prepare)
      : settings_(settings), states_(std::move(states)), prepare_(prepare) {}

  Granularity granularity(const Master& master) const override {
    return master.shape.size() > 1 ? Granularity::kMatrix : Granularity::kElement;
  }
  std::vector<StateSpec> state_specs() const override { return whole_states(states_); }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const auto prepared = prepare_(settings_, context);
    for (auto& slot : slots) {
      const Master& master = *slot.master;
      std::optional<std::int64_t> view;
      if (master.shape.size() > 1)
        view = orthogonal_view(master, context.grad_scale, settings_.projection.delta, settings_.eps);
      slot.decay_factor = prepared.decay_factor * (view ? settings_.projection.wd_ratio : 1);
      Run run = run_of(slot, states_.size());
      if (view && !directions_only) run.direction = at::empty_like(run.value);
      const bool keeps_weights = directions_only || view;
      update_run<Rule>(run, update_factors(run, context.grad_scale, prepared.divisor, decay(), keeps_weights),
                       prepared.constants, keeps_weights);
      if (!view) continue;
      take_out_radial(run.direction, run.value, *view, settings_.eps);
      if (!directions_only) apply_direction(run.value, run.direction, run.lr, run.weight_decay, decay());
    }
  }

  const C& settings_;
  std::vector<std::string> states_;
  Prepare prepare_;
};

/// `states`: names of the rule's states, in order.
template <class Rule, class C>
std::unique_ptr<Optimizer> projected(const C& settings, std::vector<std::string> states,
                                     typename Projected<Rule, C>::Prepare prepare) {
  return std::make_unique<Projected<Rule, C>>(settings, std::move(states), prepare);
}

}  // namespace ingot
