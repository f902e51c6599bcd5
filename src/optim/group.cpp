#include "optim/group.h"

#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "config/numbers.h"
#include "registry/variant_text.h"

namespace ingot {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: stretches start at a multiple of 64 bytes in fp32

std::int64_t aligned(std::int64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

/// Whether nothing but padding lies between two that are owned: masters lie in the order of their list.
bool are_neighbours(const Master& a, const Master& b, const std::vector<Master>& masters) {
  return b.index == a.index + 1 && a.begin + a.numel == masters[a.index].numel && b.begin == 0 &&
         b.offset >= a.offset + a.numel;
}

/// Offsets of slices of the given sizes, next to their neighbours as the masters are where `joined`, so that both form
/// one run; returns the size of all.
template <class Size>
std::int64_t lay_out_slices(const std::vector<Slot>& slots, bool joined, Size size,
                            std::vector<std::int64_t>& offsets) {
  offsets.clear();
  std::int64_t end = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool follows = joined && slots[i].follows;
    offsets.push_back(follows ? offsets.back() + slots[i].master->offset - slots[i - 1].master->offset : aligned(end));
    end = offsets.back() + size(*slots[i].master);
  }
  return end;
}

using Numbers = decltype(numbers_of(std::declval<const ConfigObject&>()));

Numbers::const_iterator number_at(const Numbers& numbers, const std::string& path) {
  return std::find_if(numbers.begin(), numbers.end(), [&](const auto& n) { return n.first == path; });
}

std::string names_of(const ConfigObject& settings) {
  std::vector<std::string> names;
  for (const auto& [path, value] : numbers_of(settings)) names.push_back(path);
  return join(names, ", ");
}

}  // namespace

ParameterGroup::ParameterGroup(const std::string& group_name, const OptimConfig& config, const GroupConfig* own,
                               const ScheduleContext& context, Share share)
    : name(group_name), context_(context) {
  const bool has_own = own != nullptr && own->optimizer;
  const auto& shared = share == Share::kOthers ? config.others.value() : config.optimizer;
  const auto& optimizer = has_own ? *own->optimizer : shared;
  const auto& schedule = own != nullptr && own->schedule ? *own->schedule : config.schedule;
  const auto& modifiers = own != nullptr && own->modifiers ? *own->modifiers : config.modifiers;
  optimizer_text = variant_text(optimizer);
  entry_ = &optimizer.entry();
  update_size = entry_->update_size_of ? entry_->update_size_of(optimizer.settings()) : entry_->update_size;
  settings_ = optimizer.settings().clone();
  optimizer_ = optimizer.entry().make(*settings_);
  lr_schedule_ = schedule.entry().make(schedule.settings(), context);
  peak_lr = optimizer.entry().lr(*settings_);
  weight_decay = optimizer.entry().weight_decay(*settings_);
  choose_decay(config, own);
  add_states(optimizer_->state_specs(), "", config.state_type);
  for (const auto& modifier : modifiers) {
    auto settings = modifier.settings().clone();
    auto made = modifier.entry().make(*settings);
    const auto first = states.size();
    modifiers_text += cat(modifiers_text.empty() ? "" : ", ", variant_text(modifier));
    add_states(made->state_specs(), modifier.name() + ".");
    modifiers_.push_back({std::move(settings), std::move(made), first, states.size() - first});
  }
  if (optimizer_->has_evaluation_weights() && !modifiers_.empty()) {
    throw ConfigError(cat("optim.modifiers: ", entry_->name,
                          " moves the weights together with others that modifiers do not see, expected none"));
  }
  const auto* partner = share == Share::kOthers ? &config.optimizer : config.others ? &*config.others : nullptr;
  add_schedules(own != nullptr && own->schedules ? *own->schedules : config.schedules, has_own ? nullptr : partner);
  if (own == nullptr) return;
  peak_lr = own->lr.value_or(peak_lr) * own->lr_scale.value_or(1);
  weight_decay = own->weight_decay.value_or(weight_decay);
  decays_all = own->weight_decay.has_value();
}

void ParameterGroup::choose_decay(const OptimConfig& config, const GroupConfig* own) {
  rule_is_own_ = own != nullptr && own->decay.has_value();
  decay_rule_ = rule_is_own_ ? own->decay : config.decay;
  decay_mode_ = optimizer_->decay();
  if (!decay_rule_) return;
  switch (*decay_rule_) {
    case DecayRule::kCoupled:
      decay_mode_ = DecayMode::kCoupled;
      break;
    case DecayRule::kCautious:
      decay_mode_ = DecayMode::kCautious;
      break;
    default:
      decay_mode_ = DecayMode::kDecoupled;
  }
  optimizer_->take_decay(decay_mode_);  // one that cannot is told that there is no decay
}

double ParameterGroup::weight_decay_at(std::int64_t update, const ParamInfo& info, double peak_decay, double lr) const {
  const double decay = peak_decay * (decay_factor_ ? decay_factor_->at(time_of(update)) : 1);
  if (decay_rule_ == DecayRule::kIndependent) {
    return lr == 0 ? 0 : decay * lr_schedule_->factor(time_of(update)) / lr;
  }
  const bool corrected = decay_rule_ == DecayRule::kCorrected && (rule_is_own_ || is_weight_matrix(info));
  return corrected ? decay * lr_schedule_->factor(time_of(update)) : decay;
}

void ParameterGroup::add_states(const std::vector<StateSpec>& specs, const std::string& prefix, StateType type) {
  for (auto spec : specs) {
    spec.name = prefix + spec.name;
    const bool is_rounded = type == StateType::kBfloat16 && spec.may_be_bfloat16;
    states.push_back({std::move(spec), {}, 0, {}, is_rounded});
  }
}

/// `partner`: the optimizer with which this one shares the schedules, some of which may be for it alone.
void ParameterGroup::add_schedules(const NamedMap<MovingConfig>& config, const Variant<OptimizerEntry>* partner) {
  const auto numbers = numbers_of(*settings_);
  for (const auto& [path, moving] : config) {
    if (path == "lr")
      throw ConfigError("optim.schedules: lr: the learning rate follows `schedule`, expected another name");
    const auto found = number_at(numbers, path);
    if (found == numbers.end()) {
      if (partner != nullptr) {
        const auto theirs = numbers_of(partner->settings());
        if (number_at(theirs, path) != theirs.end()) continue;
      }
      throw ConfigError(cat("optim.schedules: '", path, "' is no number among the settings of ", entry_->name,
                            ", which has ", names_of(*settings_)));
    }
    auto schedule = moving.schedule.entry().make(moving.schedule.settings(), context_);
    if (path == "weight_decay") {
      if (moving.from != 0)
        throw ConfigError("optim.schedules: weight_decay: expected no `from`: its schedule begins at 0");
      decay_factor_ = std::make_unique<Moving>(Moving{path, 0, 1, std::move(schedule)});
    } else {
      moving_.push_back({path, moving.from, found->second, std::move(schedule)});
    }
  }
}

Granularity ParameterGroup::granularity(const Master& master) const {
  auto coarsest = optimizer_->granularity(master);
  for (const auto& m : modifiers_) coarsest = std::max(coarsest, m.modifier->granularity(master));
  return coarsest;
}

void ParameterGroup::lay_out(const std::vector<Master>& masters) {
  for (std::size_t i = 1; i < slots.size(); ++i) {
    slots[i].follows = are_neighbours(*slots[i - 1].master, *slots[i].master, masters);
  }
  for (auto& state : states) {
    state.size = lay_out_slices(
        slots, !state.spec.shape, [&](const Master& m) { return c10::multiply_integers(state.shape(m)); },
        state.offsets);
  }
  directions_size_ = 0;
  if (applies_directions()) {
    directions_size_ = lay_out_slices(
        slots, true, [](const Master& m) { return m.numel; }, direction_offsets_);
  }
}

std::int64_t ParameterGroup::bytes(at::ScalarType master_dtype) const {
  const auto of = [&](std::int64_t elements, at::ScalarType dtype) {
    return elements * static_cast<std::int64_t>(c10::elementSize(dtype));
  };
  std::int64_t total = of(directions_size_, master_dtype);
  for (const auto& state : states) total += of(state.size, state.dtype(master_dtype));
  return total;
}

void ParameterGroup::allocate(const at::TensorOptions& options) {
  for (auto& slot : slots) slot.states.clear();
  for (auto& state : states) {
    state.flat = at::zeros({state.size}, options.dtype(state.dtype(at::typeMetaToScalarType(options.dtype()))));
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const auto shape = state.shape(*slots[i].master);
      slots[i].states.push_back(state.flat.narrow(0, state.offsets[i], c10::multiply_integers(shape)).view(shape));
    }
  }
  if (!applies_directions()) return;
  directions_ = at::zeros({directions_size_}, options);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto& m = *slots[i].master;
    slots[i].direction = directions_.narrow(0, direction_offsets_[i], m.numel).view(m.shape);
  }
}

UpdateContext ParameterGroup::placed(UpdateContext context) const {
  context.position = position(context.update);
  // Updates of a run that this one took over may lie before its schedules.
  context.rate_factor = [this](std::int64_t at) {
    return lr_schedule_->factor(context_.time_of(std::max<std::int64_t>(0, at)));
  };
  context.run = context_;
  return context;
}

template <class F>
void ParameterGroup::with_states_of(const Modified& modified, F f) {
  std::vector<std::vector<at::Tensor>> all;
  for (auto& slot : slots) {
    all.push_back(std::move(slot.states));
    const auto first = all.back().begin() + static_cast<std::ptrdiff_t>(modified.first_state);
    slot.states.assign(first, first + static_cast<std::ptrdiff_t>(modified.num_states));
  }
  f(*modified.modifier);
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i].states = std::move(all[i]);
}

bool ParameterGroup::has_evaluation_weights() const {
  return optimizer_->has_evaluation_weights() || std::any_of(modifiers_.begin(), modifiers_.end(), [](const auto& m) {
           return m.modifier->has_evaluation_weights();
         });
}

void ParameterGroup::evaluation_weights(const Slot& slot, const UpdateContext& context, at::Tensor& weights) const {
  const auto here = placed(context);
  // What was done last is taken back first.
  for (auto m = modifiers_.rbegin(); m != modifiers_.rend(); ++m) {
    if (!m->modifier->has_evaluation_weights()) continue;
    Slot own = slot;
    const auto first = slot.states.begin() + static_cast<std::ptrdiff_t>(m->first_state);
    own.states.assign(first, first + static_cast<std::ptrdiff_t>(m->num_states));
    m->modifier->evaluation_weights(own, here, weights);
  }
  if (optimizer_->has_evaluation_weights()) optimizer_->evaluation_weights(slot, here, weights);
}

void ParameterGroup::set_rates(const UpdateContext& context) {
  for (const auto& m : moving_) set_number(*settings_, m.path, m.at(time_of(context.update)));
  const double rate = lr(context.update);
  for (auto& slot : slots) {
    slot.lr = rate * slot.lr_factor;
    slot.decay_factor = 1;
    slot.weight_decay = weight_decay_at(context.update, *slot.master->param, slot.peak_weight_decay, slot.lr);
    if (context.update != 1) continue;
    for (std::size_t k = 0; k < states.size(); ++k) {
      if (states[k].spec.start) states[k].spec.start(slot.states[k], *slot.master);
    }
  }
}

/// Directions of an optimizer that does not know of the group's rule of decay.
void ParameterGroup::direct(const UpdateContext& context) {
  if (decay_mode_ == optimizer_->decay()) {
    optimizer_->direct(slots, context);
    return;
  }
  std::vector<double> decays;
  for (auto& slot : slots) {
    decays.push_back(std::exchange(slot.weight_decay, 0));
    if (decay_mode_ != DecayMode::kCoupled || decays.back() == 0) continue;
    at::Tensor gradient = slot.master->grad;
    gradient.add_(slot.master->value, decays.back() / context.grad_scale);
  }
  optimizer_->direct(slots, context);
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i].weight_decay = decays[i];
}

void ParameterGroup::step(const UpdateContext& step_context) {
  const auto context = placed(step_context);
  set_rates(context);
  const auto as_constraints_see_it = [&](const Slot& slot) {
    return ConstraintStep{
        context.update + schedule_offset, [&](const Master&) { return slot.lr; },
        [&](const Master&) { return decays_whole() ? slot.lr * slot.weight_decay * slot.decay_factor : 0; }};
  };
  if (constraints != nullptr) {
    for (auto& slot : slots) constraints->change_gradient(*slot.master, as_constraints_see_it(slot));
  }
  if (!applies_directions()) {
    optimizer_->step(slots, context);
    return;
  }
  direct(context);
  for (const auto& m : modifiers_) with_states_of(m, [&](const Modifier& rule) { rule.modify(slots, context); });
  if (constraints != nullptr) {
    for (auto& slot : slots) {
      constraints->change_direction(*slot.master, slot.direction, as_constraints_see_it(slot));
    }
  }
  apply_directions(slots, decay_mode_);
  for (const auto& m : modifiers_) with_states_of(m, [&](const Modifier& rule) { rule.follow(slots, context); });
}

}  // namespace ingot
