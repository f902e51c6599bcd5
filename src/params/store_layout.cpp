// ParameterStore: which parametrization, constraints and init each parameter has, and where everything lies.

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "params/identity.h"
#include "params/multiplied.h"
#include "params/store_impl.h"
#include "params/weights_config.h"
#include "registry/variant_text.h"

namespace ingot {

using params_detail::align_up;
using params_detail::Declared;
using params_detail::LeafKind;

namespace {

/// A member of a list of the config, with its place and whether any parameter took it.
template <class Object>
struct Made {
  std::string path;
  std::string name;
  std::string text;  // with the settings
  std::shared_ptr<const Object> object;
  bool used = false;
};

template <class Object, class Entry, class... Args>
Made<Object> make_from(const Variant<Entry>& variant, std::string path, const Args&... args) {
  return {std::move(path), variant.name(), variant_text(variant), variant.entry().make(variant.settings(), args...)};
}

/// The text of a variant but for what it selects, which the rows of a table say. `match` is the last of its settings.
std::string without_match(const std::string& text) {
  const auto alone = text.find(" {match"), last = text.find(", match");
  if (alone != std::string::npos) return text.substr(0, alone);
  return last == std::string::npos ? text : cat(text.substr(0, last), "}");
}

struct MadeConstraint : Made<Constraint> {
  ConstraintSchedule schedule;
};
using MadeConstraints = std::vector<MadeConstraint>;

MadeConstraints make_constraints(const std::vector<Variant<ConstraintEntry>>& variants, const std::string& path) {
  MadeConstraints out;
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const auto schedule = variants[i].entry().schedule(variants[i].settings());
    out.push_back({make_from<Constraint>(variants[i], cat(path, ".", i)), schedule});
  }
  return out;
}

/// One level of settings: the section's own, or an override's.
struct Level {
  std::string path;
  const Selector* match = nullptr;  // null: everything
  bool matched = false;
  std::optional<Made<Parametrization>> parametrization;
  std::optional<MadeConstraints> constraints;
  std::optional<Made<Init>> init;
  double output_init_factor = 1;
};

std::vector<Level> make_levels(const WeightsConfig& config, const InitContext& context) {
  std::vector<Level> levels(1 + config.overrides.size());
  levels[0].path = "weights";
  levels[0].parametrization = make_from<Parametrization>(config.parametrization, "weights.parametrization");
  levels[0].constraints = make_constraints(config.constraints, "weights.constraints");
  levels[0].init = make_from<Init>(config.init, "weights.init", context);
  levels[0].output_init_factor = config.output_init_factor;
  for (std::size_t i = 0; i < config.overrides.size(); ++i) {
    const WeightOverride& override = config.overrides[i];
    Level& level = levels[i + 1];
    level.path = cat("weights.overrides.", i);
    level.match = &override.match;
    if (override.parametrization) {
      level.parametrization = make_from<Parametrization>(*override.parametrization, level.path + ".parametrization");
    }
    if (override.constraints) {
      level.constraints = make_constraints(*override.constraints, level.path + ".constraints");
    }
    if (override.init) level.init = make_from<Init>(*override.init, level.path + ".init", context);
  }
  return levels;
}

/// The settings that hold for one parameter.
struct Settings {
  Made<Parametrization>* parametrization = nullptr;
  MadeConstraints* constraints = nullptr;
  Made<Init>* init = nullptr;
  double init_factor = 1;
};

Settings settings_for(std::vector<Level>& levels, const ParamInfo& info, int num_sublayers) {
  Settings settings;
  for (Level& level : levels) {
    if (level.match != nullptr && !level.match->matches(info, num_sublayers)) continue;
    level.matched = true;
    if (level.parametrization) settings.parametrization = &*level.parametrization;
    if (level.constraints) settings.constraints = &*level.constraints;
    const bool is_fixed = level.match == nullptr && info.fixed_init;
    if (!level.init || is_fixed) continue;
    settings.init = &*level.init;
    settings.init_factor = info.roles.has(Role::kWritesStream) ? level.output_init_factor : 1;
  }
  return settings;
}

/// What the config says without an effect on any parameter.
void find_unused(const std::vector<Level>& levels, std::vector<std::string>& problems) {
  for (const Level& level : levels) {
    if (level.match != nullptr && !level.matched) {
      problems.push_back(cat(level.path, ".match: ", level.match->text(), " selects no parameter of this model"));
      continue;
    }
    const auto& chosen = level.parametrization;
    if (chosen && !chosen->used && !chosen->object->is_identity()) {
      problems.push_back(
          cat(chosen->path, ": ", chosen->name, " reaches no parameter, expected at least one that it is defined for"));
    }
    if (!level.constraints) continue;
    for (const auto& constraint : *level.constraints) {
      if (constraint.used) continue;
      problems.push_back(cat(constraint.path, ": ", constraint.name,
                             " applies to no parameter, expected at least one that it constrains"));
    }
  }
}

params_detail::Constrained constrained(const MadeConstraint& made, const ParamInfo& info) {
  params_detail::Constrained out{made.object, made.schedule, cat(info.name, kConstraintMark, made.name, "."),
                                 made.object->states(info)};
  const auto& start = made.schedule.start;
  if (!start) out.start = 0;
  if (start && start->unit == Duration::Unit::kSteps) out.start = start->steps({});
  return out;
}

void scale(Declared& param, const Scaling& scaling) {
  if (param.init != nullptr && !param.init->scales_with_width()) param.init_factor *= scaling.init(param.info);
  param.forward = scaling.forward(param.info);
  if (param.forward == 1) return;
  param.parametrization = std::make_shared<const Multiplied>(param.parametrization, param.forward);
  param.choice.parametrization_text += cat(" x ", format_double(param.forward));
}

void constrain(Declared& param, MadeConstraint& constraint) {
  constraint.used = true;
  param.constraints.push_back(constrained(constraint, param.info));
  param.choice.constraints.push_back(constraint.name);
  param.choice.chosen.push_back(
      {constraint.path, constraint.object, !constraint.schedule.start && !constraint.schedule.every});
  param.choice.constraint_texts.push_back(without_match(constraint.text));
}

/// A rule for updates of something that the optimizer does not train.
void check_updates(const Declared& param, std::vector<std::string>& problems) {
  if (param.parametrization->is_identity()) return;
  for (std::size_t i = 0; i < param.constraints.size(); ++i) {
    if (!param.constraints[i].constraint->changes_updates()) continue;
    auto problem = cat(param.choice.chosen[i].path, ": ", param.choice.constraints[i], " changes the updates of '",
                       param.info.name, "', but its parametrization ", param.choice.parametrization_text,
                       " trains something other than the weight; expected `plain` there, or a `match` without it");
    problems.push_back(std::move(problem));
    return;
  }
}

void take(Declared& param, Settings settings, int num_sublayers, const Scaling& scaling,
          const std::shared_ptr<const Parametrization>& identity, std::vector<std::string>& problems) {
  param.choice.info = &param.info;
  if (settings.parametrization->object->applies(param.info)) {
    settings.parametrization->used = true;
    param.parametrization = settings.parametrization->object;
    param.choice.parametrization = settings.parametrization->name;
    param.choice.parametrization_text = settings.parametrization->text;
  } else {
    param.parametrization = identity;
    param.choice.parametrization = param.choice.parametrization_text = "plain";
  }
  for (auto& constraint : *settings.constraints) {
    if (!constraint.schedule.match.matches(param.info, num_sublayers) || !constraint.object->applies(param.info)) {
      continue;
    }
    if (!param.parametrization->can_assign() && !constraint.used) {
      problems.push_back(cat(constraint.path, ": ", constraint.name, " cannot act on '", param.info.name,
                             "', whose parametrization ", param.choice.parametrization,
                             " cannot take a given weight; expected constraints only on others"));
    }
    constrain(param, constraint);
  }
  if (settings.init != nullptr) {
    settings.init->used = true;
    param.init = settings.init->object;
    param.init_factor = settings.init_factor;
  }
  scale(param, scaling);
  if (problems.empty()) check_updates(param, problems);
  param.choice.init = param.init != nullptr ? param.init->text(param.info) : param.info.fixed_init_name;
  if (param.init_factor != 1) param.choice.init += cat(" x ", format_double(param.init_factor));
}

Granularity granularity_of(const Declared& param) {
  Granularity granularity = param.parametrization->granularity(param.info);
  for (const auto& constraint : param.constraints) {
    granularity = coarser(granularity, constraint.constraint->granularity(param.info));
  }
  for (const auto& chosen : param.penalties) {
    granularity = coarser(granularity, chosen.penalty->granularity(param.info));
  }
  return granularity;
}

}  // namespace

void ParameterStore::Impl::choose_penalties(const WeightsConfig& config, std::vector<std::string>& problems) {
  for (std::size_t i = 0; i < config.penalties.size(); ++i) {
    auto made = make_from<Penalty>(config.penalties[i], cat("weights.penalties.", i));
    const auto index = params_detail::place_of(penalties, made.name);
    const auto text = without_match(made.text);
    for (Declared& param : params) {
      if (!made.object->match().matches(param.info, num_sublayers) || !made.object->applies(param.info)) continue;
      made.used = true;
      auto specs = made.object->states(param.info);
      const auto has_same = [&](const Declared::ChosenPenalty& other) { return other.index == index; };
      if (!specs.empty() && std::any_of(param.penalties.begin(), param.penalties.end(), has_same)) {
        problems.push_back(cat(made.path, ": ", made.name, " reaches '", param.info.name,
                               "' for the second time, expected once, as it keeps values of a parameter"));
        break;
      }
      param.penalties.push_back(
          {made.object, index, cat(param.info.name, kConstraintMark, made.name, "."), std::move(specs)});
      param.choice.penalty_texts.push_back(text);
    }
    if (made.used) continue;
    problems.push_back(cat(made.path, ": ", made.name, " reaches no parameter, expected at least one of those that ",
                           made.object->match().text(), " selects and that it is defined for"));
  }
}

/// The width of the stream, as parameters that touch it have it; 0 if none does.
std::int64_t ParameterStore::Impl::d_model() const {
  for (const auto& param : params) {
    if (param.info.hidden_axis >= 0) return param.info.shape[static_cast<std::size_t>(param.info.hidden_axis)];
  }
  return 0;
}

void ParameterStore::Impl::choose(const WeightsConfig& config) {
  std::vector<Level> levels = make_levels(config, InitContext{num_sublayers});
  const auto identity = std::make_shared<const IdentityParametrization>();
  scaling = config.scaling.bound()
                ? config.scaling.entry().make(config.scaling.settings(), ScalingContext{d_model(), num_sublayers})
                : std::make_unique<Scaling>();
  std::vector<std::string> problems;
  for (Declared& param : params) {
    take(param, settings_for(levels, param.info, num_sublayers), num_sublayers, *scaling, identity, problems);
  }
  find_unused(levels, problems);
  choose_penalties(config, problems);
  if (!problems.empty()) throw ConfigError(join(problems, "\n"));
}

void ParameterStore::Impl::place_masters() {
  std::int64_t offset = 0;
  for (auto& leaf : leaves) {
    offset = align_up(offset);
    leaf.master_offset = offset;
    const bool is_plain = std::all_of(leaf.parts.begin(), leaf.parts.end(),
                                      [](const Declared* part) { return part->parametrization->is_identity(); });
    for (Declared* part : leaf.parts) {
      part->first_master = masters.size();
      for (auto& spec : part->parametrization->masters(part->info)) {
        if (!is_plain) offset = align_up(offset);
        Master master;
        master.name = part->info.name + spec.suffix;
        master.param = &part->info;
        master.index = masters.size();
        master.shape = spec.shape;
        master.offset = offset;
        master.numel = params_detail::product(spec.shape);
        master.trained = spec.trained;
        master.decays = spec.decays;
        master.scale_free = spec.scale_free;
        master.granularity = granularity_of(*part);
        offset += master.numel;
        if (!spec.suffix.empty()) add_name(master.name);
        masters.push_back(std::move(master));
        param_of.push_back(part);
      }
      part->num_masters = masters.size() - part->first_master;
      const auto add_states = [this](const auto& keeper) {
        for (const auto& state : keeper.specs) add_name(keeper.prefix + state.name);
      };
      for (const auto& constraint : part->constraints) add_states(constraint);
      for (const auto& chosen : part->penalties) add_states(chosen);
    }
    leaf.dtype = leaf.parts.front()->info.keeps_master_dtype() ? options.master_dtype : options.compute_dtype;
    if (!is_plain) {
      leaf.kind = LeafKind::kMaterialised;
    } else {
      leaf.kind = leaf.dtype == options.master_dtype ? LeafKind::kMaster : LeafKind::kCast;
    }
  }
  master_numel = align_up(offset);
}

void ParameterStore::Impl::place_weights() {
  // The low buffer keeps the distances of the masters, across leaves that keep the master dtype too (gains between
  // matrices): casting these few values into slots that nobody reads costs less than a copy for each stretch between
  // them.
  bool run_is_open = false;
  std::int64_t run_master = 0, run_weight = 0;
  for (auto& leaf : leaves) {
    if (leaf.kind == LeafKind::kMaterialised) {
      std::int64_t& numel = leaf.dtype == options.master_dtype ? high_numel : low_numel;
      leaf.weight_offset = numel;
      leaf.grad_offset = grad_numel;
      numel = align_up(numel + leaf.numel);
      grad_numel = align_up(grad_numel + leaf.numel);
      run_is_open = false;
    }
    if (leaf.kind != LeafKind::kCast) continue;
    if (!run_is_open) {
      run_master = leaf.master_offset;
      run_weight = low_numel;
    }
    run_is_open = true;
    leaf.weight_offset = run_weight + leaf.master_offset - run_master;
    low_numel = align_up(leaf.weight_offset + leaf.numel);
  }
}

void ParameterStore::layout(const WeightsConfig& config, int num_sublayers, const StoreOptions& options) {
  impl_->check_declaring();
  impl_->options = options;
  impl_->num_sublayers = num_sublayers;
  impl_->choose(config);
  impl_->place_masters();
  impl_->place_weights();
  impl_->owned = impl_->masters;
  impl_->place_owned();
  impl_->laid_out = true;
}

bool ParameterStore::laid_out() const { return impl_->laid_out; }

const StoreOptions& ParameterStore::options() const { return impl_->options; }

const Scaling& ParameterStore::scaling() const { return *impl_->scaling; }

const std::vector<Master>& ParameterStore::masters() const { return impl_->masters; }

std::vector<std::vector<ParameterStore::LeafPart>> ParameterStore::leaf_parts() const {
  std::vector<std::vector<LeafPart>> out;
  for (const auto& leaf : impl_->leaves) {
    auto& parts = out.emplace_back();
    for (const Declared* part : leaf.parts) {
      parts.push_back({part->first_row * params_detail::row_numel(leaf.shape), part->info.numel(), part->first_master,
                       part->num_masters, part->parametrization->is_identity()});
    }
  }
  return out;
}

const std::vector<std::string>& ParameterStore::penalties() const { return impl_->penalties; }

std::vector<ParamChoice> ParameterStore::choices() const {
  std::vector<ParamChoice> out;
  for (const auto& param : impl_->params) out.push_back(param.choice);
  return out;
}

ParameterStore::Memory ParameterStore::memory() const {
  const auto high = static_cast<std::int64_t>(c10::elementSize(impl_->options.master_dtype));
  const auto low = static_cast<std::int64_t>(c10::elementSize(impl_->options.compute_dtype));
  Memory memory;
  memory.masters = impl_->stored_numel * high;
  memory.gradients = (impl_->master_numel + impl_->grad_numel) * high;
  memory.weights = impl_->low_numel * low + impl_->high_numel * high;
  return memory;
}

}  // namespace ingot
