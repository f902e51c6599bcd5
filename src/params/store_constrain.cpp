// ParameterStore: when constraints act, and what they and penalties keep.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "params/store_impl.h"

namespace ingot {

using params_detail::Constrained;
using params_detail::Declared;
using params_detail::product;

namespace {

const Master& trained_master(const Declared& param, const std::vector<Master>& masters) {
  const auto first = masters.begin() + static_cast<std::ptrdiff_t>(param.first_master);
  return *std::find_if(first, first + static_cast<std::ptrdiff_t>(param.num_masters),
                       [](const Master& master) { return master.trained; });
}

double number_of(const std::function<double(const Master&)>& of, const Master& master) { return of ? of(master) : 0; }

/// Updates since a constraint came into force; below 0 before.
std::int64_t age(const Constrained& constrained, std::int64_t update) {
  if (constrained.start < 0) throw std::logic_error("a constraint's start waits for schedule_constraints");
  return update - constrained.start;
}

/// Of a constraint or a penalty.
bool are_kept(const std::string& prefix, const std::vector<KeptState>& specs, const std::set<std::string>& kept) {
  return !specs.empty() &&
         std::all_of(specs.begin(), specs.end(), [&](const auto& spec) { return kept.count(prefix + spec.name) != 0; });
}

}  // namespace

void ParameterStore::schedule_constraints(const DurationContext& durations) {
  impl_->total_updates = durations.total_steps.value_or(0);
  for (auto& param : impl_->params) {
    for (auto& c : param.constraints) c.start = c.schedule.start ? c.schedule.start->steps(durations) : 0;
  }
}

bool ParameterStore::changes_updates(const Master& master) const {
  const auto& constraints = impl_->param_of[master.index]->constraints;
  return std::any_of(constraints.begin(), constraints.end(),
                     [](const Constrained& c) { return c.constraint->changes_updates(); });
}

void ParameterStore::change_gradient(const Master& part, const ConstraintStep& step) const {
  at::Tensor gradient = part.grad;
  impl_->change_update(part, step, [&](const Constrained& c, const ConstraintContext& context) {
    c.constraint->change_gradient(gradient, part.value, context);
  });
}

void ParameterStore::change_direction(const Master& part, at::Tensor& direction, const ConstraintStep& step) const {
  impl_->change_update(part, step, [&](const Constrained& c, const ConstraintContext& context) {
    c.constraint->change_direction(direction, part.value, context);
  });
}

void ParameterStore::Impl::change_update(
    const Master& part, const ConstraintStep& step,
    const std::function<void(const Constrained&, const ConstraintContext&)>& change) {
  const at::NoGradGuard no_grad;
  Declared& param = *param_of[part.index];
  const Master& master = masters[part.index];
  for (auto& c : param.constraints) {
    if (!c.constraint->changes_updates() || age(c, step.update) <= 0) continue;
    change(c, {param.info, step.update, total_updates, number_of(step.lr, master), c.states,
               number_of(step.decay, master)});
  }
}

void ParameterStore::constrain(const ConstraintStep& step) {
  using Due = Impl::Due;
  impl_->constrain(step, [&](const Constrained& c) {
    const auto past = age(c, step.update);
    if (past < 0 || past % c.schedule.every.value_or(1) != 0) return Due::kNo;
    return past == 0 ? Due::kBegins : Due::kActs;
  });
}

void ParameterStore::begin_constraints(std::int64_t update, const std::set<std::string>& kept) {
  using Due = Impl::Due;
  impl_->constrain({update}, [&](const Constrained& c) {
    if (age(c, update) < 0) return Due::kNo;
    return are_kept(c.prefix, c.specs, kept) ? Due::kActs : Due::kBegins;
  });
  impl_->begin_penalties(kept);
}

void ParameterStore::Impl::begin_penalties(const std::set<std::string>& kept) {
  const at::NoGradGuard no_grad;
  for (auto& param : params) {
    if (!param.is_owned()) continue;
    for (auto& chosen : param.penalties) {
      if (chosen.specs.empty() || are_kept(chosen.prefix, chosen.specs, kept)) continue;
      const at::Tensor weight = params_detail::effective_weight(param, flat_masters.options());
      chosen.penalty->begin(weight, {param.info, chosen.states});
    }
  }
}

void ParameterStore::Impl::constrain(const ConstraintStep& step, const std::function<Due(const Constrained&)>& due) {
  check_allocated("constrain");
  const at::NoGradGuard no_grad;
  for (auto& param : params) {
    if (!param.is_owned()) continue;
    at::Tensor weight;  // made for the first constraint that acts
    for (auto& c : param.constraints) {
      const Due now = due(c);
      if (now == Due::kNo) continue;
      if (!weight.defined()) weight = params_detail::effective_weight(param, flat_masters.options());
      const Master& master = trained_master(param, masters);
      const ConstraintContext context{
          param.info, step.update, total_updates, number_of(step.lr, master), c.states, number_of(step.decay, master)};
      if (now == Due::kBegins) c.constraint->begin(weight, context);
      c.constraint->apply(weight, context);
    }
    if (weight.defined() && !param.parametrization->is_identity()) param.parametrization->assign(weight, param.values);
  }
}

/// A state with a value for each row is cut where its parameter is.
std::vector<at::Tensor> ParameterStore::Impl::make_owned_states(const Declared& param,
                                                                const std::vector<KeptState>& specs) {
  const auto& owned_shape = param.parametrization->is_identity() ? param.values[0].sizes().vec() : param.info.shape;
  std::vector<at::Tensor> states;
  for (const auto& spec : specs) {
    auto shape = spec.shape;
    if (shape == param.info.shape) {
      shape = owned_shape;
    } else if (owned_shape != param.info.shape) {
      if (shape.empty() || shape[0] != param.info.shape[0] || owned_shape.size() != param.info.shape.size()) {
        throw std::logic_error("a state has no rows of '" + param.info.name + "' to share out");
      }
      shape[0] = owned_shape[0];
    }
    states.push_back(at::zeros(shape, flat_masters.options()));
  }
  return states;
}

StateTensors ParameterStore::constraint_state() const {
  StateTensors out;
  for (const auto& param : impl_->params) {
    const Master& master = impl_->masters[param.first_master];
    std::int64_t begin = 0;  // of what is owned, in elements of the master
    if (param.is_owned() && param.parametrization->is_identity()) {
      begin = std::find_if(impl_->owned.begin(), impl_->owned.end(), [&](const Master& part) {
                return part.index == master.index;
              })->begin;
    }
    const auto add = [&](const auto& keeper) {
      for (std::size_t i = 0; i < keeper.specs.size(); ++i) {
        const auto& shape = keeper.specs[i].shape;
        out.emplace_back(keeper.prefix + keeper.specs[i].name, param.is_owned() ? keeper.states[i] : at::Tensor(),
                         shape, begin * product(shape) / master.numel);
      }
    };
    for (const auto& constrained : param.constraints) add(constrained);
    for (const auto& chosen : param.penalties) add(chosen);
  }
  return out;
}

}  // namespace ingot
