#pragma once
// The `optim:` section.

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/fields.h"
#include "optim/clipper.h"
#include "optim/optimizer.h"
#include "params/selector.h"

namespace ingot {

class Families;
class Problems;

/// A hyper-parameter that a schedule moves: from + (setting - from) · factor.
struct MovingConfig {
  double from = 0;
  Variant<ScheduleEntry> schedule{""};  // required
};
void describe(Fields& f, MovingConfig& c);

/// Parameters that go their own way; of several groups the first match wins.
struct GroupConfig {
  std::string name;
  Selector match;
  std::optional<Variant<OptimizerEntry>> optimizer;  // absent: `optim.optimizer` and `optim.others` as changed below
  std::optional<double> lr;                          // in place of the optimizer's
  std::optional<double> lr_scale;                    // times the optimizer's
  std::optional<double> weight_decay;
  std::optional<Variant<ScheduleEntry>> schedule;
  std::optional<NamedMap<MovingConfig>> schedules;
  std::optional<std::vector<Variant<ModifierEntry>>> modifiers;
  Location where;  // of the group in its file, for messages
};
void describe(Fields& f, GroupConfig& c);

struct OptimConfig {
  Variant<OptimizerEntry> optimizer;              // required
  std::optional<Variant<OptimizerEntry>> others;  // of what `optimizer` does not take; see choose_others
  Variant<ScheduleEntry> schedule{"constant"};
  NamedMap<MovingConfig> schedules;
  std::vector<Variant<ModifierEntry>> modifiers;
  Variant<ClipperEntry> clip{"none"};
  std::vector<GroupConfig> groups;
};
void describe(Fields& f, OptimConfig& c);
/// Sets `others` to adamw where the optimizer does not take everything and the config names none.
void choose_others(const Families& families, OptimConfig& config);
/// Problems between settings of one optimizer, and between optimizers.
void validate(const OptimConfig& config, Problems& problems);

}  // namespace ingot
