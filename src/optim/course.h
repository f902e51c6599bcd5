#pragma once
// The schedules of a config over a whole run.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "optim/optim_config.h"

namespace ingot {

struct PlacedSchedule {
  std::string path;  // "optim.schedule", "optim.groups.0.schedule"
  std::unique_ptr<Schedule> schedule;
};
/// The default group's, then those of groups that have their own.
std::vector<PlacedSchedule> schedules_of(const OptimConfig& config, const ScheduleContext& context);

struct ScheduleWarning {
  std::string path, message;
};
/// Phases of learning-rate schedules that a run of `context.total_steps` is too short for.
std::vector<ScheduleWarning> schedule_warnings(const OptimConfig& config, const ScheduleContext& context);
/// The same of what optimizers' settings ask for.
std::vector<ScheduleWarning> optimizer_warnings(const OptimConfig& config, const ScheduleContext& context);

/// The schedules of a config over a run of some length.
struct Course {
  const OptimConfig& config;
  const ScheduleContext& context;
};

/// An update at which two courses differ.
struct ChangedRate {
  std::string path;  // of the schedule
  std::int64_t position = 0;
  double before = 0, after = 0;  // factors
};
/// The first update t in [begin, end) at which a factor, of the rate or of another number, differs between two courses
/// with the same groups and the same `schedules`, if there is one.
std::optional<ChangedRate> first_changed_rate(const Course& before, const Course& after, std::int64_t begin,
                                              std::int64_t end);

}  // namespace ingot
