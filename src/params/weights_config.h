#pragma once
// The `weights:` section.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "params/constraint.h"
#include "params/init.h"
#include "params/parametrization.h"
#include "params/penalty.h"
#include "params/scaling.h"
#include "params/selector.h"

namespace ingot {

class Fields;
class Problems;

/// `overrides` apply in order, later wins, key by key.
struct WeightOverride {
  Selector match;
  std::optional<Variant<ParametrizationEntry>> parametrization;
  std::optional<std::vector<Variant<ConstraintEntry>>> constraints;
  std::optional<Variant<InitEntry>> init;  // also in place of a fixed init
};
void describe(Fields& f, WeightOverride& c);

struct WeightsConfig {
  Variant<ParametrizationEntry> parametrization{"plain"};
  std::vector<Variant<ConstraintEntry>> constraints;
  std::vector<Variant<PenaltyEntry>> penalties;
  Variant<InitEntry> init{"normal"};
  double output_init_factor = 1;
  Variant<ScalingEntry> scaling{"standard"};
  std::vector<WeightOverride> overrides;
};
void describe(Fields& f, WeightsConfig& c);

/// When constraints come into force that do not do so at once, by path.
std::vector<std::pair<std::string, Duration>> constraint_starts(const WeightsConfig& config);

/// What variants refuse of their settings, all at once and each at its place.
void validate(const WeightsConfig& config, Problems& problems);

}  // namespace ingot
