#include "params/weights_config.h"

#include <set>

#include "base/error.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/problems.h"

namespace ingot {

namespace {

/// Makes what the variant describes, once more than the store does: only this place knows lines and columns.
template <class E, class... Context>
void check(const Variant<E>& variant, const std::string& path, Problems& problems, const Context&... context) {
  try {
    variant.entry().make(variant.settings(), context...);
  } catch (const ConfigError& error) {
    problems.add(path, error.what());
  }
}

template <class E, class... Context>
void check(const std::optional<Variant<E>>& variant, const std::string& path, Problems& problems,
           const Context&... context) {
  if (variant) check(*variant, path, problems, context...);
}

void check(const std::vector<Variant<ConstraintEntry>>& constraints, const std::string& path, Problems& problems) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    const auto& constraint = constraints[i];
    const auto place = cat(path, ".", i);
    check(constraint, place, problems);
    if (!names.insert(constraint.name()).second) {
      problems.add(place, cat("'", constraint.name(), "' is listed twice, expected each constraint once"));
    }
  }
}

/// How many sub-layers there are, only the model knows.
constexpr InitContext kNoLayers{};

}  // namespace

std::vector<std::pair<std::string, Duration>> constraint_starts(const WeightsConfig& config) {
  std::vector<std::pair<std::string, Duration>> out;
  const auto add = [&](const std::vector<Variant<ConstraintEntry>>& constraints, const std::string& path) {
    for (std::size_t i = 0; i < constraints.size(); ++i) {
      const auto start = constraints[i].entry().schedule(constraints[i].settings()).start;
      if (start) out.emplace_back(cat(path, ".", i), *start);
    }
  };
  add(config.constraints, "weights.constraints");
  for (std::size_t i = 0; i < config.overrides.size(); ++i) {
    const auto& own = config.overrides[i].constraints;
    if (own) add(*own, cat("weights.overrides.", i, ".constraints"));
  }
  return out;
}

void validate(const WeightsConfig& config, Problems& problems) {
  check(config.parametrization, "weights.parametrization", problems);
  check(config.constraints, "weights.constraints", problems);
  check(config.init, "weights.init", problems, kNoLayers);
  check(config.scaling, "weights.scaling", problems, ScalingContext{});
  for (std::size_t i = 0; i < config.overrides.size(); ++i) {
    const auto& change = config.overrides[i];
    const auto path = cat("weights.overrides.", i);
    check(change.parametrization, path + ".parametrization", problems);
    if (change.constraints) check(*change.constraints, path + ".constraints", problems);
    check(change.init, path + ".init", problems, kNoLayers);
  }
}

void describe(Fields& f, WeightOverride& c) {
  f.field("match", c.match, "the parameters that this entry changes", Rule{}.required());
  f.field("parametrization", c.parametrization, "in place of `weights.parametrization`");
  f.field("constraints", c.constraints, "in place of `weights.constraints`; [] for none");
  f.field("init", c.init, "in place of `weights.init` and of a start value that the module fixes");
}

void describe(Fields& f, WeightsConfig& c) {
  f.field("parametrization", c.parametrization, "how the weight that the model uses follows from what is trained");
  f.field("constraints", c.constraints, "rules that every update makes the weights obey again, in this order");
  f.field("penalties", c.penalties, "terms of the loss that depend on weights alone, each on what its `match` selects");
  f.field("init", c.init, "start values of parameters whose module does not fix them");
  f.field("output_init_factor", c.output_init_factor,
          "multiplies the start values of matrices that write to the stream; hyper_connections brings the factor of "
          "its paper",
          Rule{}.at_least(0));
  f.field("scaling", c.scaling, "how start values, learning rates and decay follow width and depth");
  f.field("overrides", c.overrides, "changes for some parameters, in order; later ones win, key by key");
}

}  // namespace ingot
