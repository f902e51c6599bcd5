#pragma once
// Names of described keys, for hints; internal to config.

#include <functional>
#include <string>
#include <vector>

#include "config/fields.h"

namespace ingot {

/// Keys of a struct or a variant, its own only.
std::vector<std::string> key_names(const std::function<void(Fields&)>& describe);

/// Dotted paths of every key that a config can hold now: of absent optional parts too, of variants those that are
/// chosen.
std::vector<std::string> all_key_paths(const std::function<void(Fields&)>& describe);

}  // namespace ingot
