#pragma once
// Constraints that cannot hold together.

#include <vector>

#include "params/store.h"
#include "recipe/run_config.h"

namespace ingot {

/// Throws ConfigError with every pair of constraints of which one undoes the other, or both set the scale, on some
/// parameter: the first such parameter of each pair is named.
void check_constraints(const RunConfig& config, const std::vector<ParamChoice>& choices);

}  // namespace ingot
