#pragma once
// The numbers among a variant's settings by path, `momentum` or `betas.1`: what a schedule can move.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/variant.h"

namespace ingot {

/// Every field of type double with its value, in the order of description.
std::vector<std::pair<std::string, double>> numbers_of(const ConfigObject& settings);

/// Sets one of them. Throws std::logic_error if there is none of that path.
void set_number(ConfigObject& settings, const std::string& path, double value);

}  // namespace ingot
