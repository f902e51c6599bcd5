#pragma once
// Decay rates of running averages in optimizers' settings.

#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace ingot {

/// Throws ConfigError unless there are `count` of them.
inline void check_betas(const char* optimizer, const std::vector<double>& betas, std::size_t count) {
  if (betas.size() == count) return;
  throw ConfigError(cat(optimizer, ": betas: expected ", count, " numbers, got ", betas.size()));
}

}  // namespace ingot
