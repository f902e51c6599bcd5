#include "optim/optim_config.h"

#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "config/fields.h"
#include "config/problems.h"
#include "config/units.h"
#include "registry/variant_text.h"

namespace ingot {

namespace {

const std::vector<std::pair<std::string, DecayRule>>& decay_rules() {
  static const std::vector<std::pair<std::string, DecayRule>> rules = {{"decoupled", DecayRule::kDecoupled},
                                                                       {"coupled", DecayRule::kCoupled},
                                                                       {"independent", DecayRule::kIndependent},
                                                                       {"cautious", DecayRule::kCautious},
                                                                       {"corrected", DecayRule::kCorrected}};
  return rules;
}

}  // namespace

std::vector<std::string> Codec<DecayRule>::choices() {
  std::vector<std::string> names;
  for (const auto& [name, rule] : decay_rules()) names.push_back(name);
  return names;
}

std::string Codec<DecayRule>::expected() { return cat("one of ", join(choices(), ", ")); }

bool Codec<DecayRule>::parse(const Scalar& scalar, DecayRule& rule) {
  for (const auto& [name, value] : decay_rules()) {
    if (name != scalar.text) continue;
    rule = value;
    return true;
  }
  return false;
}

Scalar Codec<DecayRule>::format(const DecayRule& rule) {
  for (const auto& [name, value] : decay_rules()) {
    if (value == rule) return {name, false};
  }
  throw std::logic_error("a rule of decay without a name");
}

void describe(Fields& f, MovingConfig& c) {
  f.field("from", c.from, "value at the schedule's factor 0; at factor 1 it is the setting itself");
  f.field("schedule", c.schedule, "factor over the run", Rule{}.required());
}

void describe(Fields& f, GroupConfig& c) {
  f.field("name", c.name, "name of the group, as `plan --params` and the log show it", Rule{}.required());
  f.field("match", c.match, "which parameters it takes; of several groups the first match wins", Rule{}.required());
  f.field("optimizer", c.optimizer, "optimizer in place of `optim.optimizer` and `optim.others`");
  f.field("lr", c.lr, "peak learning rate in place of the optimizer's", Rule{}.at_least(0));
  f.field("lr_scale", c.lr_scale, "multiplies the peak learning rate", Rule{}.at_least(0));
  f.field("weight_decay", c.weight_decay,
          "weight decay of everything in the group; without it matrices have the optimizer's and the rest has none",
          Rule{}.at_least(0));
  f.field("decay", c.decay, "how decay acts on everything in the group, in place of `optim.decay`");
  f.field("schedule", c.schedule, "schedule in place of `optim.schedule`");
  f.field("schedules", c.schedules, "schedules in place of `optim.schedules`");
  f.field("modifiers", c.modifiers, "modifiers in place of `optim.modifiers`");
}

void describe(Fields& f, OptimConfig& c) {
  f.field("optimizer", c.optimizer, "how gradients change weights", Rule{}.required());
  f.field("others", c.others,
          "optimizer of the parameters that `optimizer` does not take, such as embeddings, head and gains under muon; "
          "adamw where it is needed and absent. Their group is `others`");
  f.field(
      "decay", c.decay,
      "how weight decay acts, in place of the optimizer's own way: decoupled (learning rate x decay of the weight), "
      "coupled (in the gradient), independent (of the peak learning rate: schedule x decay), cautious (decoupled, "
      "only where the update makes the weight smaller too), corrected (decoupled times schedule on matrices between "
      "activations, as AdamC)");
  f.choice("state_type", c.state_type, {{"fp32", StateType::kFloat32}, {"bf16", StateType::kBfloat16}},
           "in what optimizers keep their states; bf16, rounded by chance, where the method allows it");
  f.field("schedule", c.schedule, "learning-rate factor over the run");
  f.field(
      "schedules", c.schedules,
      "other numbers among the optimizer's settings that move over the run, by name: `momentum: {from: 0.85, schedule: "
      "{type: constant, warmup: 300 steps}}`, `weight_decay: {schedule: linear}`, `betas.1: …`");
  f.field("modifiers", c.modifiers, "what changes the optimizer's directions before they are applied, in order");
  f.field("clip", c.clip, "what happens to large gradients");
  f.field("average", c.average, "average of the weights, which is evaluated in their place");
  f.field("qk_clip", c.qk_clip, "bound on the scores of attention, which scales queries and keys down after an update");
  f.field("groups", c.groups, "parameters with an optimizer, a rate, a decay or a schedule of their own");
}

void choose_others(const Families& families, OptimConfig& config) {
  if (config.others || !config.optimizer.entry().takes) return;
  config.others = read_variant<OptimizerEntry>("adamw", families, "optim.others");
}

namespace {

template <class E>
void check(const std::string& path, const Variant<E>& variant, Problems& problems) {
  if (!variant.entry().validate) return;
  for (const auto& [key, message] : variant.entry().validate(variant.settings())) {
    problems.add(cat(path, ".", key), message);
  }
}

void check(const std::string& path, const NamedMap<MovingConfig>& schedules, Problems& problems) {
  for (const auto& [name, moving] : schedules) check(cat(path, ".", name, ".schedule"), moving.schedule, problems);
}

bool may_round_states(const Variant<OptimizerEntry>& optimizer) {
  if (optimizer.entry().validate && !optimizer.entry().validate(optimizer.settings()).empty()) return true;
  const auto specs = optimizer.entry().make(optimizer.settings())->state_specs();
  return std::any_of(specs.begin(), specs.end(), [](const StateSpec& spec) { return spec.may_be_bfloat16; });
}

/// Whether bf16 was asked for and no optimizer keeps anything in it.
bool rounds_nothing(const OptimConfig& config) {
  if (config.state_type == StateType::kFloat32 || may_round_states(config.optimizer)) return false;
  if (config.others && may_round_states(*config.others)) return false;
  return std::none_of(config.groups.begin(), config.groups.end(),
                      [](const GroupConfig& group) { return group.optimizer && may_round_states(*group.optimizer); });
}

}  // namespace

void validate(const OptimConfig& config, Problems& problems) {
  check("optim.optimizer", config.optimizer, problems);
  if (config.others) {
    check("optim.others", *config.others, problems);
    if (const auto& entry = config.others->entry(); entry.takes) {
      problems.add("optim.others", cat(entry.name, " trains ", entry.takes_what,
                                       " alone, expected an optimizer of every parameter, such as adamw"));
    }
  }
  if (rounds_nothing(config)) {
    problems.add("optim.state_type",
                 cat(config.optimizer.name(), " keeps no states that may be in bf16, expected fp32"));
  }
  check("optim.schedule", config.schedule, problems);
  check("optim.schedules", config.schedules, problems);
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const auto& group = config.groups[i];
    const auto path = cat("optim.groups.", i);
    if (group.optimizer) check(path + ".optimizer", *group.optimizer, problems);
    if (group.schedule) check(path + ".schedule", *group.schedule, problems);
    if (group.schedules) check(path + ".schedules", *group.schedules, problems);
  }
}

}  // namespace ingot
