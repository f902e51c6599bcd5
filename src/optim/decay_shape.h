#pragma once
// Ways from one factor to another.

#include <string>
#include <utility>
#include <vector>

#include "registry/add_entry.h"

namespace ingot {

/// What is left of the way, f(y), while y goes from 0 to 1:
///   linear         1 - y
///   sqrt           1 - sqrt(y)                         Hägele et al. 2024 (arXiv:2405.18392)
///   cosine         (1 + cos(pi y))/2
///   mirror_cosine  2 (1 - y) - (1 + cos(pi y))/2       the cosine mirrored at the straight line
///   square         1 - y²
///   halving        2 · 2^-y - 1                        `exponential` of Megatron-LM
///   exponential    by a constant factor in each update, so that neither end can be 0
enum class DecayShape { kLinear, kSqrt, kCosine, kMirrorCosine, kSquare, kHalving, kExponential };
const std::vector<std::pair<std::string, DecayShape>>& decay_shape_names();

/// The factor where a share y of the way is over: to + (from - to) f(y), or from (to/from)^y.
double between(DecayShape shape, double y, double from, double to);

/// A problem of the key `key` if a way with this end, which the key `end` gives, cannot have the shape.
SettingsProblems shape_problems(DecayShape shape, double to, const std::string& key, const std::string& end);

}  // namespace ingot
