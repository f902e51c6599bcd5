#include "optim/engine.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "optim/grad_norm.h"

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
  bool decays_all = false;           // whether `weight_decay` acts on more than matrices
  std::vector<std::size_t> indices;  // of the slots' masters in the store
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

void lay_out_states(Group& group, const std::vector<Master>& masters) {
  for (std::size_t i = 1; i < group.slots.size(); ++i) {
    const Master& previous = masters[group.indices[i - 1]];
    // Masters lie in the order of their list, so that nothing but padding is between neighbours.
    group.slots[i].follows = group.indices[i] == group.indices[i - 1] + 1 &&
                             group.slots[i].master->offset >= previous.offset + previous.numel;
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
  std::unique_ptr<GradNorm> grad_norm;

  void assign(const OptimConfig& config, int num_sublayers);
  void add_slot(Group& group, std::size_t index);
};

void OptimizerEngine::Impl::add_slot(Group& group, std::size_t index) {
  const Master& master = store->masters()[index];
  Slot slot;
  slot.master = &master;
  const bool selected = group.decays_all || master.param->roles.any(matrix_roles());
  slot.weight_decay = selected && master.decays ? group.weight_decay : 0;
  assignments.push_back({&master, group.name, group.optimizer_name, group.lr, slot.weight_decay});
  group.indices.push_back(index);
  group.slots.push_back(std::move(slot));
}

void OptimizerEngine::Impl::assign(const OptimConfig& config, int num_sublayers) {
  const auto& masters = store->masters();
  for (std::size_t i = 0; i < masters.size(); ++i) {
    if (!masters[i].trained) continue;
    const auto first = std::find_if(config.groups.begin(), config.groups.end(), [&](const GroupConfig& group) {
      return group.match.matches(*masters[i].param, num_sublayers);
    });
    const bool is_default = first == config.groups.end();
    add_slot(groups[is_default ? 0 : 1 + (first - config.groups.begin())], i);
  }
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    if (groups[i + 1].slots.empty()) throw empty_group(config.groups[i], *store, num_sublayers);
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
  for (auto& group : impl_->groups) lay_out_states(group, store.masters());
}

OptimizerEngine::~OptimizerEngine() = default;

const std::vector<GroupAssignment>& OptimizerEngine::assignments() const { return impl_->assignments; }

std::int64_t OptimizerEngine::state_bytes() const {
  std::int64_t elements = 0;
  for (const auto& group : impl_->groups) {
    for (const auto& state : group.states) elements += state.size;
  }
  return elements * static_cast<std::int64_t>(c10::elementSize(impl_->store->options().master_dtype));
}

void OptimizerEngine::allocate() {
  const auto options = at::TensorOptions(impl_->store->options().master_dtype).device(impl_->store->options().device);
  std::vector<const Master*> trained;
  for (const auto& assignment : impl_->assignments) trained.push_back(assignment.master);
  impl_->grad_norm = std::make_unique<GradNorm>(std::move(trained));
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

OptimizerEngine::NormAndFactor OptimizerEngine::measure(double scale) const {
  NormAndFactor out;
  out.grad_norm = std::sqrt(impl_->grad_norm->sum_of_squares()) * scale;
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

std::vector<std::pair<std::string, at::Tensor>> OptimizerEngine::state() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const auto& group : impl_->groups) {
    for (const auto& slot : group.slots) {
      for (std::size_t i = 0; i < slot.states.size(); ++i) {
        out.emplace_back(cat(group.states[i].spec.name, "/", slot.master->name), slot.states[i]);
      }
    }
  }
  return out;
}

}  // namespace ingot
