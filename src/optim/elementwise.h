#pragma once
// Optimizers made of an elementwise rule (optim/update_rule.h): the loop over a group's weights, on whichever device.
// Those that measure a tensor or its rows first give the rule constants, or the blocks of a tensor steps, of their own.

#include <algorithm>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
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
  double decay_factor = 1;  // of the decay in this update
};

/// The factors of a run. `divisor`: of the learning rate.
inline UpdateFactors<double> update_factors(const Run& run, double grad_scale, double divisor, DecayMode decay,
                                            bool directions_only) {
  UpdateFactors<double> factors{grad_scale, 0, 1, (directions_only ? 1 : run.lr) / divisor};
  if (decay == DecayMode::kCoupled) {
    factors.l2 = run.weight_decay;
  } else {
    factors.keep = 1 - run.lr * run.weight_decay;
  }
  return factors;
}

/// What multiplies the step of each block of `length` elements that follow one another.
struct BlockSteps {
  at::Tensor values = {};  // [blocks], of the weights' type and device; undefined: 1 everywhere
  std::int64_t length = 0;
};

namespace elementwise_detail {

template <class Rule, class T>
void update(const Run& r, const UpdateFactors<double>& wide_factors,
            const typename Rule::template Constants<double>& wide_constants, bool directions_only,
            const BlockSteps& blocks) {
  const auto factors = narrowed<UpdateFactors, T>(wide_factors);
  const auto constants = narrowed<Rule::template Constants, T>(wide_constants);
  UpdateArrays<T, Rule::kStates> arrays{r.value.template data_ptr<T>(), r.grad.template const_data_ptr<T>(), {}};
  for (std::size_t k = 0; k < Rule::kStates; ++k) arrays.states[k] = r.states[k].template data_ptr<T>();
  if (directions_only) arrays.out = r.direction.template data_ptr<T>();
  const T* steps = blocks.values.defined() ? blocks.values.template const_data_ptr<T>() : nullptr;
  const auto n = r.value.numel();
  if constexpr (std::is_same_v<T, float>) {
    if (r.value.is_cuda()) {
      using Launch = void(const UpdateArrays<float, Rule::kStates>&, std::int64_t, const UpdateFactors<float>&,
                          const typename Rule::template Constants<float>&, void*);
      static auto* const launch =
          reinterpret_cast<Launch*>(gpu_symbol((std::string("ingot_cuda_update_") + Rule::kName).c_str()));
      arrays.block_steps = steps;
      arrays.block_length = blocks.length;
      launch(arrays, n, factors, constants, gpu_stream());
      return;
    }
  }
  const auto length = steps == nullptr ? std::max<std::int64_t>(n, 1) : blocks.length;
  parallel_for(0, n, kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const auto block = begin / length, stop = std::min(end, (block + 1) * length);
      auto own = factors;
      if (steps != nullptr) own.step *= steps[block];
      update_on_cpu<Rule, T>(arrays.from(begin), stop - begin, own, constants);
      begin = stop;
    }
  });
}

}  // namespace elementwise_detail

/// One update of a run, or its directions alone.
template <class Rule>
void update_run(const Run& run, const UpdateFactors<double>& factors,
                const typename Rule::template Constants<double>& constants, bool directions_only,
                const BlockSteps& blocks = {}) {
  if (run.value.scalar_type() == at::kDouble) {
    elementwise_detail::update<Rule, double>(run, factors, constants, directions_only, blocks);
  } else {
    elementwise_detail::update<Rule, float>(run, factors, constants, directions_only, blocks);
  }
}

/// The same in fp32 with states in bf16, which are rounded by chance: by `key`, and by the number of each element, the
/// run's first one being `first`. On CPUs; throws ConfigError elsewhere.
template <class Rule>
void update_rounded(const Run& run, const UpdateFactors<double>& wide_factors,
                    const typename Rule::template Constants<double>& wide_constants, bool directions_only,
                    std::uint64_t key, std::uint32_t first) {
  if (!run.value.is_cpu()) throw ConfigError("optim.state_type: bf16 is there for CPUs only, expected fp32 on GPUs");
  const auto factors = narrowed<UpdateFactors, float>(wide_factors);
  const auto constants = narrowed<Rule::template Constants, float>(wide_constants);
  RoundedArrays<Rule::kStates> arrays{
      run.value.template data_ptr<float>(), run.grad.template const_data_ptr<float>(), {}};
  for (std::size_t k = 0; k < Rule::kStates; ++k) {
    arrays.states[k] = reinterpret_cast<std::uint16_t*>(run.states[k].template data_ptr<at::BFloat16>());
  }
  if (directions_only) arrays.out = run.direction.template data_ptr<float>();
  arrays.key = key;
  arrays.first = first;
  parallel_for(0, run.value.numel(), kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
    update_rounded_on_cpu<Rule>(arrays.from(begin), end - begin, factors, constants);
  });
}

/// Updates weights in the pass that finds their directions.
class FusedOptimizer : public Optimizer {
 public:
  bool is_fused() const override { return true; }
  void step(std::vector<Slot>& slots, const UpdateContext& context) const final { run(slots, context, false); }
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const final { run(slots, context, true); }

 protected:
  /// `directions_only`: slot.direction <- d, weights stay; else slots may be without a direction.
  virtual void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const = 0;
};

/// States with a number for each weight.
inline std::vector<StateSpec> whole_states(const std::vector<std::string>& names, bool may_be_bfloat16 = false) {
  std::vector<StateSpec> specs;
  for (const auto& name : names) specs.push_back({name, nullptr, std::nullopt, nullptr, may_be_bfloat16});
  return specs;
}

/// C: settings. `prepare(const C&, const UpdateContext&)` gives the RuleStep of an update.
template <class Rule, class C>
class Elementwise final : public FusedOptimizer {
 public:
  using Prepare = RuleStep<Rule> (*)(const C& settings, const UpdateContext& context);

  Elementwise(const C& settings, std::vector<std::string> states, Prepare prepare, DecayMode decay)
      : settings_(settings), states_(std::move(states)), prepare_(prepare), decay_(decay) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override { return whole_states(states_, Rule::kStatesMayBeBfloat16); }
  DecayMode decay() const override { return decay_; }
  bool take_decay(DecayMode mode) override {
    if (mode == DecayMode::kCautious) return false;
    decay_ = mode;
    return true;
  }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const auto prepared = prepare_(settings_, context);
    for (auto& slot : slots) slot.decay_factor = prepared.decay_factor;
    if (!slots.empty() && has_rounded_states(slots.front())) {
      for (const auto& slot : slots) {
        const auto r = run_of(slot, Rule::kStates);
        const auto key = stream_key(context.seed, cat("state/", slot.master->name, "/", context.update));
        update_rounded<Rule>(r, factors_of(r, prepared, context, directions_only), prepared.constants, directions_only,
                             key, static_cast<std::uint32_t>(slot.master->begin));
      }
      return;
    }
    for (const auto& r : runs_of(slots)) {
      update_run<Rule>(r, factors_of(r, prepared, context, directions_only), prepared.constants, directions_only);
    }
  }

  static bool has_rounded_states(const Slot& slot) {
    return Rule::kStates > 0 && slot.states.front().scalar_type() == at::kBFloat16;
  }

  UpdateFactors<double> factors_of(const Run& run, const RuleStep<Rule>& prepared, const UpdateContext& context,
                                   bool directions_only) const {
    return update_factors(run, context.grad_scale, prepared.divisor, decay_, directions_only);
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
