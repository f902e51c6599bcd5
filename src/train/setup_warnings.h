#pragma once
// What a set-up makes of settings that look as if they did something.

#include <string>
#include <vector>

#include "train/setup.h"

namespace ingot {

/// Settings that together do nothing, or not what they say, each with its reason.
std::vector<std::string> setup_warnings(const TrainSetup& setup);

}  // namespace ingot
