#include "optim/engine.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "optim/group.h"
#include "optim/weight_average.h"
#include "params/flat_elements.h"

namespace ingot {
namespace {

void check_names(const std::vector<GroupConfig>& groups) {
  std::set<std::string> names = {"default", "others"};
  for (const auto& group : groups) {
    if (group.name.empty()) throw ConfigError("optim.groups: a group without a name");
    if (!names.insert(group.name).second) {
      throw ConfigError(cat("optim.groups: the name '", group.name, "' is taken, expected another one"));
    }
  }
}

/// Why a group got no parameter.
ConfigError empty_group(const GroupConfig& group, const ParameterStore& store, int num_sublayers) {
  for (const Master& master : store.masters()) {
    if (!master.trained || !group.match.matches(*master.param, num_sublayers)) continue;
    return ConfigError(group.where,
                       cat("optim.groups: all parameters that '", group.name, "' matches belong to groups before it"));
  }
  return ConfigError(group.where, cat("optim.groups: '", group.name, "' matches no parameter"));
}

/// Why a group's own optimizer can't train what the group matches.
ConfigError untrainable(const GroupConfig& group, const OptimizerEntry& optimizer, const Master& master) {
  return ConfigError(
      group.where, cat("optim.groups: ", optimizer.name, " trains ", optimizer.takes_what, " alone, but '", group.name,
                       "' gives it '", master.name, "' ", at::IntArrayRef(master.shape),
                       ", expected a narrower `match` or an optimizer that takes everything"));
}

}  // namespace

struct OptimizerEngine::Impl {
  const ParameterStore* store = nullptr;
  std::vector<std::unique_ptr<ParameterGroup>> groups;  // default, those of the config, then others of these
  std::unique_ptr<Clipper> clipper;
  std::unique_ptr<WeightAverage> average;
  std::int64_t total_updates = 0;
  std::uint64_t seed = 0;
  std::vector<GroupAssignment> assignments;
  std::vector<std::size_t> group_of;  // by assignment
  std::unique_ptr<GradNorm> grad_norm;
  void sort_into_groups(const OptimConfig& config, int num_sublayers, const ScheduleContext& schedule);
  void assign(const OptimConfig& config, int num_sublayers, const ScheduleContext& schedule);
  bool has_parameters(std::size_t group) const {
    return std::find(group_of.begin(), group_of.end(), group) != group_of.end();
  }
  void lay_out();
  std::size_t assignment_of(const Master& master) const;
  GradientNorms measure_parameters(double scale, const SumOverRanks& sum_over_ranks) const;
  UpdateContext context(std::int64_t update, double grad_scale, const SumOverRanks& sum_over_ranks) const {
    UpdateContext out;
    out.update = update;
    out.grad_scale = grad_scale;
    out.total_updates = total_updates;
    if (!store->owns_all()) out.sum_over_ranks = sum_over_ranks;
    out.num_masters = store->masters().size();
    out.seed = seed;
    return out;
  }
  void expect_no_evaluation_weights() const;
};

/// Averages beside those of a group would average what nobody evaluates.
void OptimizerEngine::Impl::expect_no_evaluation_weights() const {
  for (const auto& group : groups) {
    if (!group->has_evaluation_weights()) continue;
    throw ConfigError(cat("optim.average: the ", group->name, " group, of ", group->entry().name,
                          ", has weights of its own to evaluate, expected none"));
  }
}

/// A slot for each trained master, or part of one, that the store owns.
void OptimizerEngine::Impl::lay_out() {
  for (auto& group : groups) group->slots.clear();
  std::size_t i = 0;
  for (const Master& part : store->owned()) {
    if (!part.trained) continue;
    while (assignments[i].master->index != part.index) ++i;
    Slot slot;
    slot.master = &part;
    slot.peak_weight_decay = assignments[i].weight_decay;
    slot.lr_factor = assignments[i].lr_factor;
    groups[group_of[i]]->slots.push_back(std::move(slot));
  }
  for (auto& group : groups) group->lay_out(store->masters());
}

/// Fills `group_of` for the trained masters; makes groups of others where there are any.
void OptimizerEngine::Impl::sort_into_groups(const OptimConfig& config, int num_sublayers,
                                             const ScheduleContext& schedule) {
  std::map<std::size_t, std::size_t> others;  // by the group that they come from
  for (const Master& master : store->masters()) {
    if (!master.trained) continue;
    const auto first = std::find_if(config.groups.begin(), config.groups.end(), [&](const GroupConfig& group) {
      return group.match.matches(*master.param, num_sublayers);
    });
    const GroupConfig* own = first == config.groups.end() ? nullptr : &*first;
    auto index = own == nullptr ? 0 : 1 + static_cast<std::size_t>(first - config.groups.begin());
    if (!groups[index]->can_train(master)) {
      if (own != nullptr && own->optimizer) throw untrainable(*own, groups[index]->entry(), master);
      const auto [at, is_new] = others.emplace(index, groups.size());
      if (is_new) {
        const auto name = own == nullptr ? "others" : cat(own->name, " others");
        groups.push_back(std::make_unique<ParameterGroup>(name, config, own, schedule, ParameterGroup::Share::kOthers));
      }
      index = at->second;
    }
    group_of.push_back(index);
  }
  for (std::size_t i = 1; i <= config.groups.size(); ++i) {
    if (has_parameters(i)) continue;
    if (others.count(i) == 0) throw empty_group(config.groups[i - 1], *store, num_sublayers);
    groups[others.at(i)]->name = groups[i]->name;
  }
}

void OptimizerEngine::Impl::assign(const OptimConfig& config, int num_sublayers, const ScheduleContext& schedule) {
  sort_into_groups(config, num_sublayers, schedule);
  for (const Master& master : store->masters()) {
    if (!master.trained) continue;
    auto& group = *groups[group_of[assignments.size()]];
    const ParamInfo& info = *master.param;
    const bool selected = group.decays_all || info.roles.any(matrix_roles());
    double decay = selected && master.decays ? group.weight_decay : 0;
    double lr_factor = 1;
    if (master.shape == info.shape) {
      lr_factor = store->scaling().lr(info, group.update_size);
      decay *= store->scaling().weight_decay(info, group.update_size);
    }
    if (store->changes_updates(master)) group.constraints = store;
    assignments.push_back({&master, group.name, group.entry().name, group.peak_lr * lr_factor, decay, lr_factor});
  }
}

OptimizerEngine::OptimizerEngine(const OptimConfig& config, const ParameterStore& store, int num_sublayers,
                                 const ScheduleContext& schedule)
    : impl_(std::make_unique<Impl>()) {
  check_names(config.groups);
  impl_->store = &store;
  impl_->total_updates = schedule.total_updates();
  impl_->clipper = config.clip.entry().make(config.clip.settings());
  impl_->groups.push_back(std::make_unique<ParameterGroup>("default", config, nullptr, schedule));
  for (const auto& group : config.groups) {
    impl_->groups.push_back(std::make_unique<ParameterGroup>(group.name, config, &group, schedule));
  }
  impl_->assign(config, num_sublayers, schedule);
  impl_->average = std::make_unique<WeightAverage>(config.average, schedule, store, num_sublayers);
  if (impl_->average->is_on()) impl_->expect_no_evaluation_weights();
  impl_->lay_out();
}

void OptimizerEngine::follow_store() { impl_->lay_out(); }

OptimizerEngine::~OptimizerEngine() = default;

const std::vector<GroupAssignment>& OptimizerEngine::assignments() const { return impl_->assignments; }

std::vector<OptimizerEngine::GroupFacts> OptimizerEngine::groups() const {
  std::vector<GroupFacts> out;
  for (std::size_t i = 0; i < impl_->groups.size(); ++i) {
    const auto& group = *impl_->groups[i];
    if (impl_->has_parameters(i)) out.push_back({group.name, group.optimizer_text, group.modifiers_text});
  }
  return out;
}

std::vector<Granularity> OptimizerEngine::granularities() const {
  const auto& masters = impl_->store->masters();
  std::vector<Granularity> out(masters.size(), Granularity::kElement);
  for (std::size_t i = 0; i < impl_->assignments.size(); ++i) {
    const Master& master = *impl_->assignments[i].master;
    out[master.index] =
        std::max(impl_->groups[impl_->group_of[i]]->granularity(master), impl_->clipper->granularity(master));
  }
  return out;
}

std::int64_t OptimizerEngine::state_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& group : impl_->groups) bytes += group->bytes(impl_->store->options().master_dtype);
  return bytes + impl_->average->bytes();
}

void OptimizerEngine::allocate() {
  const auto options = at::TensorOptions(impl_->store->options().master_dtype).device(impl_->store->options().device);
  impl_->grad_norm = std::make_unique<GradNorm>(*impl_->store);
  for (auto& group : impl_->groups) group->allocate(options);
  impl_->average->allocate();
}

GradientNorms OptimizerEngine::Impl::measure_parameters(double scale, const SumOverRanks& sum_over_ranks) const {
  const auto squares = grad_norm->squares_by_master(sum_over_ranks);
  GradientNorms norms;
  norms.groups.resize(groups.size(), 0);
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    norms.total += squares[i];
    norms.groups[group_of[i]] += squares[i];
    norms.parameters.push_back({assignments[i].master, group_of[i], std::sqrt(squares[i]) * scale});
  }
  norms.total = std::sqrt(norms.total) * scale;
  for (auto& norm : norms.groups) norm = std::sqrt(norm) * scale;
  return norms;
}

OptimizerEngine::NormAndFactor OptimizerEngine::measure(double scale, const SumOverRanks& sum_over_ranks) {
  GradientNorms norms;
  if (impl_->clipper->looks_at_parameters()) {
    norms = impl_->measure_parameters(scale, sum_over_ranks);
  } else {
    norms.total = std::sqrt(impl_->grad_norm->sum_of_squares(sum_over_ranks)) * scale;
  }
  return {norms.total, impl_->clipper->factor(norms)};
}

LogitProbe OptimizerEngine::logit_probe() const { return impl_->clipper->probe(); }

double OptimizerEngine::step_share(double spread) const { return impl_->clipper->share(spread); }

std::vector<double> OptimizerEngine::clip_state() const { return impl_->clipper->state(); }

void OptimizerEngine::restore_clip(const std::vector<double>& state) { impl_->clipper->restore(state); }

void OptimizerEngine::offset_schedules(std::int64_t offset) {
  for (auto& group : impl_->groups) group->schedule_offset = offset;
}

void OptimizerEngine::set_seed(std::uint64_t seed) { impl_->seed = seed; }

void OptimizerEngine::step(std::int64_t update, double grad_scale, const SumOverRanks& sum_over_ranks) {
  if (impl_->clipper->clips_units()) {
    for (const Master& part : impl_->store->owned()) {
      if (part.trained) impl_->clipper->clip_units_of(part, grad_scale);
    }
  }
  const auto context = impl_->context(update, grad_scale, sum_over_ranks);
  for (auto& group : impl_->groups) group->step(context);
}

bool OptimizerEngine::samples_labels() const {
  return std::any_of(impl_->groups.begin(), impl_->groups.end(), [](const auto& g) { return g->samples_labels(); });
}

bool OptimizerEngine::samples_labels_after(std::int64_t update) const {
  return std::any_of(impl_->groups.begin(), impl_->groups.end(),
                     [&](const auto& g) { return g->samples_labels_after(update); });
}

void OptimizerEngine::observe_sampled(std::int64_t update, double grad_scale, const SumOverRanks& sum_over_ranks) {
  if (!std::isfinite(impl_->grad_norm->sum_of_squares(sum_over_ranks))) return;  // it would stay in the states
  const auto context = impl_->context(update, grad_scale, sum_over_ranks);
  for (auto& group : impl_->groups) {
    if (group->samples_labels_after(update)) group->observe_sampled(context);
  }
}

double OptimizerEngine::lr(std::int64_t update) const { return impl_->groups.front()->lr(update); }

double OptimizerEngine::lr(std::int64_t update, const std::string& name) const {
  const auto& all = impl_->assignments;
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.group == name; });
  if (found == all.end()) throw std::logic_error(cat("no group ", name));
  return impl_->groups[impl_->group_of[static_cast<std::size_t>(found - all.begin())]]->lr(update);
}

std::size_t OptimizerEngine::Impl::assignment_of(const Master& master) const {
  const auto found = std::find_if(assignments.begin(), assignments.end(),
                                  [&](const auto& a) { return a.master->index == master.index; });
  return static_cast<std::size_t>(found - assignments.begin());
}

ConstraintStep OptimizerEngine::constraint_step(std::int64_t update) const {
  const auto& impl = *impl_;
  const auto lr = [&impl, update](const Master& master) {
    const auto i = impl.assignment_of(master);
    return impl.groups[impl.group_of[i]]->lr(update) * impl.assignments[i].lr_factor;
  };
  const auto decay = [&impl, update, lr](const Master& master) {
    const auto i = impl.assignment_of(master);
    const auto& group = *impl.groups[impl.group_of[i]];
    const double rate = lr(master);
    return group.decays_whole()
               ? rate * group.weight_decay_at(update, *master.param, impl.assignments[i].weight_decay, rate)
               : 0;
  };
  return {update + impl.groups.front()->schedule_offset, lr, decay};
}

bool OptimizerEngine::has_evaluation_weights() const {
  return impl_->average->is_on() || std::any_of(impl_->groups.begin(), impl_->groups.end(),
                                                [](const auto& group) { return group->has_evaluation_weights(); });
}

void OptimizerEngine::average(std::int64_t update) {
  impl_->average->take(update - 1 + impl_->groups.front()->schedule_offset);
}

at::Tensor OptimizerEngine::evaluation_weights(std::int64_t update) const {
  const bool is_averaged = impl_->average->is_on();
  if (!has_evaluation_weights() || update == 0 || (is_averaged && averaged() == 0)) return {};
  const at::NoGradGuard no_grad;
  at::Tensor flat = impl_->store->flat_masters().clone();
  if (is_averaged) {
    impl_->average->blend_into(flat);
    return flat;
  }
  const auto context = impl_->context(update, 1, {});
  for (const auto& group : impl_->groups) {
    if (!group->has_evaluation_weights()) continue;
    for (const auto& slot : group->slots) {
      at::Tensor weights = elements_of(flat, *slot.master, *impl_->store);
      group->evaluation_weights(slot, context, weights);
    }
  }
  return flat;
}

std::int64_t OptimizerEngine::averaged() const { return impl_->average->taken(); }

void OptimizerEngine::restore_averaged(std::int64_t count) { impl_->average->restore_taken(count); }

StateTensors OptimizerEngine::average_state() const { return impl_->average->state(); }

StateTensors OptimizerEngine::state() const {
  StateTensors out;
  std::vector<std::size_t> next(impl_->groups.size(), 0);  // slot of each group
  for (std::size_t i = 0; i < impl_->assignments.size(); ++i) {
    const Master& master = *impl_->assignments[i].master;
    const auto& group = *impl_->groups[impl_->group_of[i]];
    auto& slot_index = next[impl_->group_of[i]];
    const Slot* slot = slot_index < group.slots.size() ? &group.slots[slot_index] : nullptr;
    const bool is_owned = slot != nullptr && slot->master->index == master.index;
    if (is_owned) ++slot_index;
    for (std::size_t k = 0; k < group.states.size(); ++k) {
      const auto shape = group.states[k].shape(master);
      if (c10::multiply_integers(shape) == 0) continue;  // a parameter without this state
      const auto name = cat(group.states[k].spec.name, "/", master.name);
      // A state with a value for each row is cut where its master is.
      const auto begin = is_owned ? slot->master->begin * c10::multiply_integers(shape) / master.numel : 0;
      out.emplace_back(name, is_owned ? slot->states[k] : at::Tensor(), shape, begin);
    }
  }
  for (auto& state : average_state()) out.push_back(std::move(state));
  return out;
}

}  // namespace ingot
