#pragma once
// Damage as disks, networks and people do it.

#include <string>
#include <vector>

#include "base/random.h"

namespace ingot::fuzz {

/// `input` with one to eight changes: bits, bytes, numbers at borders, parts cut, doubled, nested or from another
/// input. Depends on its arguments alone.
std::string mutate(std::string input, const std::vector<std::string>& others, const std::vector<std::string>& words,
                   RandomStream& random);

}  // namespace ingot::fuzz
