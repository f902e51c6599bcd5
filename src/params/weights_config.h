#pragma once
// The `weights:` section.

#include <optional>
#include <vector>

#include "params/families.h"
#include "params/penalty.h"
#include "params/selector.h"

namespace ingot {

class Fields;

/// `overrides` apply in order, later wins, key by key.
struct WeightOverride {
  Selector match;
  std::optional<Variant<ParametrizationEntry>> parametrization;
  std::optional<std::vector<Variant<ConstraintEntry>>> constraints;
  std::optional<Variant<InitEntry>> init;  // also in place of a fixed init
};
void describe(Fields& f, WeightOverride& c);

/// How learning rates and start values follow the width of the model.
enum class Scaling { kStandard };

struct WeightsConfig {
  Variant<ParametrizationEntry> parametrization{"plain"};
  std::vector<Variant<ConstraintEntry>> constraints;
  std::vector<Variant<PenaltyEntry>> penalties;
  Variant<InitEntry> init{"normal"};
  double output_init_factor = 1;
  Scaling scaling = Scaling::kStandard;
  std::vector<WeightOverride> overrides;
};
void describe(Fields& f, WeightsConfig& c);

}  // namespace ingot
