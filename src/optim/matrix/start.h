#pragma once
// Random start values of optimizer states.

#include <ATen/core/Tensor.h>

#include <string>

#include "params/store.h"

namespace ingot {

/// Fills with standard normal numbers that depend on `purpose` and the master's name alone.
void start_normal(at::Tensor& state, const std::string& purpose, const Master& master);

}  // namespace ingot
