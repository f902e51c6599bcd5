#pragma once
// Decay rates of running averages in optimizers' settings.

#include <vector>

#include "base/text.h"
#include "registry/add_entry.h"

namespace ingot {

/// For OptimizerEntry::validate of settings with `count` of them.
template <std::size_t count, class C>
SettingsProblems check_betas(const C& settings) {
  if (settings.betas.size() == count) return {};
  return {{"betas", cat("expected ", count, " numbers, got ", settings.betas.size())}};
}

}  // namespace ingot
