#pragma once
// Optimizers made of an elementwise rule (optim/update_rule.h): the loop over a group's weights, on whichever device.

#include <functional>
#include <utility>

#include "device/gpu.h"
#include "device/parallel.h"
#include "optim/optimizer.h"
#include "optim/runs.h"
#include "optim/update_rule.h"

namespace ingot {

/// What a rule needs for one update: its constants, and what divides the learning rate (a bias correction).
template <class Rule>
struct RuleStep {
  typename Rule::template Constants<double> constants;
  double divisor = 1;
};

/// C: settings. `prepare(const C&, const UpdateContext&)` gives the RuleStep of an update.
template <class Rule, class C>
class Elementwise final : public Optimizer {
 public:
  using Prepare = RuleStep<Rule> (*)(const C& settings, const UpdateContext& context);

  Elementwise(const C& settings, std::vector<std::string> states, Prepare prepare, DecayMode decay)
      : settings_(settings), states_(std::move(states)), prepare_(prepare), decay_(decay) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override {
    std::vector<StateSpec> specs;
    for (const auto& name : states_) specs.push_back({name, nullptr, std::nullopt, nullptr});
    return specs;
  }
  DecayMode decay() const override { return decay_; }
  bool take_decay(DecayMode mode) override {
    if (mode == DecayMode::kCautious) return false;
    decay_ = mode;
    return true;
  }
  bool is_fused() const override { return true; }

  void step(std::vector<Slot>& slots, const UpdateContext& context) const override { run(slots, context, false); }
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const override { run(slots, context, true); }

 private:
  void run(const std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const {
    const auto prepared = prepare_(settings_, context);
    for (const auto& r : runs_of(slots)) {
      UpdateFactors<double> factors{context.grad_scale, 0, 1, (directions_only ? 1 : r.lr) / prepared.divisor};
      if (decay_ == DecayMode::kCoupled) {
        factors.l2 = r.weight_decay;
      } else {
        factors.keep = 1 - r.lr * r.weight_decay;
      }
      if (r.value.scalar_type() == at::kDouble) {
        update<double>(r, factors, prepared.constants, directions_only);
      } else {
        update<float>(r, factors, prepared.constants, directions_only);
      }
    }
  }

  template <class T>
  static void update(const Run& r, const UpdateFactors<double>& wide_factors,
                     const typename Rule::template Constants<double>& wide_constants, bool directions_only) {
    const auto factors = narrowed<UpdateFactors, T>(wide_factors);
    const auto constants = narrowed<Rule::template Constants, T>(wide_constants);
    UpdateArrays<T, Rule::kStates> arrays{r.value.template data_ptr<T>(), r.grad.template const_data_ptr<T>(), {}};
    for (std::size_t k = 0; k < Rule::kStates; ++k) arrays.states[k] = r.states[k].template data_ptr<T>();
    if (directions_only) arrays.out = r.direction.template data_ptr<T>();
    const auto n = r.value.numel();
    if constexpr (std::is_same_v<T, float>) {
      if (r.value.is_cuda()) {
        using Launch = void(const UpdateArrays<float, Rule::kStates>&, std::int64_t, const UpdateFactors<float>&,
                            const typename Rule::template Constants<float>&, void*);
        static auto* const launch =
            reinterpret_cast<Launch*>(gpu_symbol((std::string("ingot_cuda_update_") + Rule::kName).c_str()));
        launch(arrays, n, factors, constants, gpu_stream());
        return;
      }
    }
    parallel_for(0, n, kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
      update_on_cpu<Rule, T>(arrays.from(begin), end - begin, factors, constants);
    });
  }

  const C& settings_;
  std::vector<std::string> states_;
  Prepare prepare_;
  DecayMode decay_;
};

/// `states`: names of the rule's states, in order.
template <class Rule, class C>
std::unique_ptr<Optimizer> elementwise(const C& settings, std::vector<std::string> states,
                                       typename Elementwise<Rule, C>::Prepare prepare,
                                       DecayMode decay = DecayMode::kDecoupled) {
  return std::make_unique<Elementwise<Rule, C>>(settings, std::move(states), prepare, decay);
}

}  // namespace ingot
