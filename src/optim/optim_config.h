#pragma once
// The `optim:` section.

#include <optional>
#include <string>
#include <vector>

#include "optim/optimizer.h"
#include "params/selector.h"

namespace ingot {

class Fields;

/// Parameters that go their own way; of several groups the first match wins.
struct GroupConfig {
  std::string name;
  Selector match;
  std::optional<Variant<OptimizerEntry>> optimizer;  // absent: the default optimizer with the changes below
  std::optional<double> lr;                          // in place of the optimizer's
  std::optional<double> lr_scale;                    // times the optimizer's
  std::optional<double> weight_decay;
  std::optional<Variant<ScheduleEntry>> schedule;
};
void describe(Fields& f, GroupConfig& c);

struct OptimConfig {
  Variant<OptimizerEntry> optimizer;  // required
  Variant<ScheduleEntry> schedule{"constant"};
  Variant<ClipperEntry> clip{"none"};
  std::vector<GroupConfig> groups;
};
void describe(Fields& f, OptimConfig& c);

}  // namespace ingot
