#pragma once
// Scalars as YAML text; internal to config.

#include <string>

#include "config/fields.h"

namespace ingot {

/// Quoted only if it would read as something else without, here or in a YAML 1.1 reader. Safe inside [] and {}.
std::string scalar_text(const Scalar& scalar, bool is_string);

}  // namespace ingot
