#include "optim/engine.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: stretches start at a multiple of 64 bytes in fp32

std::int64_t aligned(std::int64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const auto size : shape) n *= size;
  return n;
}

/// Where the states of a group's masters lie in the flat tensor of one StateSpec.
struct StateLayout {
  StateSpec spec;
  std::vector<std::int64_t> offsets;  // for each slot
  std::int64_t size = 0;
  at::Tensor flat;

  std::vector<std::int64_t> shape(const Master& master) const { return spec.shape ? spec.shape(master) : master.shape; }
};

struct Group {
  std::string name;
  std::string optimizer_name;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Schedule> schedule;
  double lr = 0;
  double weight_decay = 0;
  bool decays_all = false;  // whether `weight_decay` acts on more than matrices
  std::vector<Slot> slots;
  std::vector<StateLayout> states;
};

Group make_group(const std::string& name, const OptimConfig& config, const GroupConfig* own,
                 const ScheduleContext& schedule) {
  const auto& optimizer = own != nullptr && own->optimizer ? *own->optimizer : config.optimizer;
  const auto& chosen_schedule = own != nullptr && own->schedule ? *own->schedule : config.schedule;
  Group group;
  group.name = name;
  group.optimizer_name = optimizer.name();
  group.optimizer = optimizer.entry().make(optimizer.settings());
  group.schedule = chosen_schedule.entry().make(chosen_schedule.settings(), schedule);
  group.lr = optimizer.entry().lr(optimizer.settings());
  group.weight_decay = optimizer.entry().weight_decay(optimizer.settings());
  if (own == nullptr) return group;
  group.lr = own->lr.value_or(group.lr) * own->lr_scale.value_or(1);
  group.weight_decay = own->weight_decay.value_or(group.weight_decay);
  group.decays_all = own->weight_decay.has_value();
  return group;
}

void check_names(const std::vector<GroupConfig>& groups) {
  std::set<std::string> names = {"default"};
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
    return ConfigError(cat("optim.groups: all parameters that '", group.name, "' matches belong to groups before it"));
  }
  return ConfigError(cat("optim.groups: '", group.name, "' matches no parameter"));
}

/// Whether nothing but padding lies between two that are owned: masters lie in the order of their list.
bool are_neighbours(const Master& a, const Master& b, const std::vector<Master>& masters) {
  return b.index == a.index + 1 && a.begin + a.numel == masters[a.index].numel && b.begin == 0 &&
         b.offset >= a.offset + a.numel;
}

void lay_out_states(Group& group, const std::vector<Master>& masters) {
  group.states.clear();
  for (std::size_t i = 1; i < group.slots.size(); ++i) {
    group.slots[i].follows = are_neighbours(*group.slots[i - 1].master, *group.slots[i].master, masters);
  }
  for (const auto& spec : group.optimizer->state_specs()) {
    StateLayout layout{spec, {}, 0, {}};
    for (std::size_t i = 0; i < group.slots.size(); ++i) {
      const Master& master = *group.slots[i].master;
      // Next to its neighbour as the masters are, so that both form one run.
      const bool joined = !spec.shape && group.slots[i].follows;
      layout.offsets.push_back(joined ? layout.offsets.back() + master.offset - group.slots[i - 1].master->offset
                                      : aligned(layout.size));
      layout.size = layout.offsets.back() + product(layout.shape(master));
    }
    group.states.push_back(std::move(layout));
  }
}

}  // namespace

struct OptimizerEngine::Impl {
  const ParameterStore* store = nullptr;
  std::vector<Group> groups;  // the default group first
  std::unique_ptr<Clipper> clipper;
  std::vector<GroupAssignment> assignments;
  std::vector<std::size_t> group_of;  // by assignment
  std::unique_ptr<GradNorm> grad_norm;

  void assign(const OptimConfig& config, int num_sublayers);
  void lay_out();
};

/// A slot for each trained master, or part of one, that the store owns.
void OptimizerEngine::Impl::lay_out() {
  for (auto& group : groups) group.slots.clear();
  std::size_t i = 0;
  for (const Master& part : store->owned()) {
    if (!part.trained) continue;
    while (assignments[i].master->index != part.index) ++i;
    Slot slot;
    slot.master = &part;
    slot.weight_decay = assignments[i].weight_decay;
    groups[group_of[i]].slots.push_back(std::move(slot));
  }
  for (auto& group : groups) lay_out_states(group, store->masters());
}

void OptimizerEngine::Impl::assign(const OptimConfig& config, int num_sublayers) {
  const auto& masters = store->masters();
  for (std::size_t i = 0; i < masters.size(); ++i) {
    if (!masters[i].trained) continue;
    const auto first = std::find_if(config.groups.begin(), config.groups.end(), [&](const GroupConfig& group) {
      return group.match.matches(*masters[i].param, num_sublayers);
    });
    const auto index = first == config.groups.end() ? 0 : 1 + static_cast<std::size_t>(first - config.groups.begin());
    const auto& group = groups[index];
    const bool selected = group.decays_all || masters[i].param->roles.any(matrix_roles());
    const double decay = selected && masters[i].decays ? group.weight_decay : 0;
    assignments.push_back({&masters[i], group.name, group.optimizer_name, group.lr, decay});
    group_of.push_back(index);
  }
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    if (std::find(group_of.begin(), group_of.end(), i + 1) == group_of.end())
      throw empty_group(config.groups[i], *store, num_sublayers);
  }
}

OptimizerEngine::OptimizerEngine(const OptimConfig& config, const ParameterStore& store, int num_sublayers,
                                 const ScheduleContext& schedule)
    : impl_(std::make_unique<Impl>()) {
  check_names(config.groups);
  impl_->store = &store;
  impl_->clipper = config.clip.entry().make(config.clip.settings());
  impl_->groups.push_back(make_group("default", config, nullptr, schedule));
  for (const auto& group : config.groups) {
    impl_->groups.push_back(make_group(group.name, config, &group, schedule));
  }
  impl_->assign(config, num_sublayers);
  impl_->lay_out();
}

void OptimizerEngine::follow_store() { impl_->lay_out(); }

OptimizerEngine::~OptimizerEngine() = default;

const std::vector<GroupAssignment>& OptimizerEngine::assignments() const { return impl_->assignments; }

std::vector<Granularity> OptimizerEngine::granularities() const {
  std::vector<Granularity> out(impl_->store->masters().size(), Granularity::kElement);
  for (std::size_t i = 0; i < impl_->assignments.size(); ++i) {
    out[impl_->assignments[i].master->index] = impl_->groups[impl_->group_of[i]].optimizer->granularity();
  }
  return out;
}

std::int64_t OptimizerEngine::state_bytes() const {
  std::int64_t elements = 0;
  for (const auto& group : impl_->groups) {
    for (const auto& state : group.states) elements += state.size;
  }
  return elements * static_cast<std::int64_t>(c10::elementSize(impl_->store->options().master_dtype));
}

void OptimizerEngine::allocate() {
  const auto options = at::TensorOptions(impl_->store->options().master_dtype).device(impl_->store->options().device);
  impl_->grad_norm = std::make_unique<GradNorm>(*impl_->store);
  for (auto& group : impl_->groups) {
    for (auto& slot : group.slots) slot.states.clear();
    for (auto& state : group.states) {
      state.flat = at::zeros({state.size}, options);
      for (std::size_t i = 0; i < group.slots.size(); ++i) {
        const auto shape = state.shape(*group.slots[i].master);
        group.slots[i].states.push_back(state.flat.narrow(0, state.offsets[i], product(shape)).view(shape));
      }
    }
  }
}

OptimizerEngine::NormAndFactor OptimizerEngine::measure(double scale, const SumOverRanks& sum_over_ranks) const {
  NormAndFactor out;
  out.grad_norm = std::sqrt(impl_->grad_norm->sum_of_squares(sum_over_ranks)) * scale;
  out.clip_factor = impl_->clipper->factor(out.grad_norm);
  return out;
}

void OptimizerEngine::step(std::int64_t update, double grad_scale) {
  for (auto& group : impl_->groups) {
    const double lr = group.lr * group.schedule->factor(update - 1);
    for (auto& slot : group.slots) slot.lr = lr;
    group.optimizer->step(group.slots, {update, grad_scale});
  }
}

double OptimizerEngine::lr(std::int64_t update) const {
  const auto& group = impl_->groups.front();
  return group.lr * group.schedule->factor(update - 1);
}

StateTensors OptimizerEngine::state() const {
  StateTensors out;
  std::vector<std::size_t> next(impl_->groups.size(), 0);  // slot of each group
  for (std::size_t i = 0; i < impl_->assignments.size(); ++i) {
    const Master& master = *impl_->assignments[i].master;
    const auto& group = impl_->groups[impl_->group_of[i]];
    auto& slot_index = next[impl_->group_of[i]];
    const Slot* slot = slot_index < group.slots.size() ? &group.slots[slot_index] : nullptr;
    const bool is_owned = slot != nullptr && slot->master->index == master.index;
    if (is_owned) ++slot_index;
    for (std::size_t k = 0; k < group.states.size(); ++k) {
      const auto shape = group.states[k].shape(master);
      const auto name = cat(group.states[k].spec.name, "/", master.name);
      // A state with a value for each row is cut where its master is.
      const auto begin = is_owned ? slot->master->begin * product(shape) / master.numel : 0;
      out.emplace_back(name, is_owned ? slot->states[k] : at::Tensor(), shape, begin);
    }
  }
  return out;
}

}  // namespace ingot
