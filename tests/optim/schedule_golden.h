#pragma once
// Schedules against tests/golden/schedules.json.

#include <memory>
#include <string>

#include "optim/optimizer.h"

namespace ingot::testing {

/// Compares every factor of all cases of a kind; fails if there is no case.
void check_golden_schedules(const std::string& kind);

/// A schedule for a run of `total` steps.
std::unique_ptr<Schedule> make_schedule(const std::string& yaml, std::int64_t total);

}  // namespace ingot::testing
