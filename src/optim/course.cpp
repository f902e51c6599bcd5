#include "optim/course.h"

#include <stdexcept>

#include "base/text.h"

namespace ingot {
namespace {

/// What is wrong with the phases in a run of `total` updates; "" if they fit.
std::string misfit(const SchedulePhases& phases, std::int64_t total) {
  const auto count = [](std::int64_t n) { return format_grouped(n); };
  const auto of_run = cat(" in a run of ", count(total));
  if (phases.warmup > total) {
    return cat("a warm-up of ", count(phases.warmup), " updates", of_run, ": the rate never reaches its peak",
               phases.decay ? ", nor its decay" : "");
  }
  if (!phases.decay) return "";
  if (phases.warmup == total)
    return cat("a warm-up of ", count(phases.warmup), " updates", of_run, ": the rate never reaches its decay");
  if (*phases.decay == 0) return "a decay of 0 updates: the rate stays at its peak to the end";
  const auto left = total - phases.warmup;
  if (*phases.decay <= left) return "";
  return cat("a warm-up of ", count(phases.warmup), " updates and a decay of ", count(*phases.decay), of_run,
             ": the decay gets the ", count(left), " that are left");
}

}  // namespace

std::vector<PlacedSchedule> schedules_of(const OptimConfig& config, const ScheduleContext& context) {
  std::vector<PlacedSchedule> out;
  const auto add = [&](std::string path, const Variant<ScheduleEntry>& schedule) {
    out.push_back({std::move(path), schedule.entry().make(schedule.settings(), context)});
  };
  add("optim.schedule", config.schedule);
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    if (config.groups[i].schedule) add(cat("optim.groups.", i, ".schedule"), *config.groups[i].schedule);
  }
  return out;
}

std::vector<ScheduleWarning> schedule_warnings(const OptimConfig& config, const ScheduleContext& context) {
  std::vector<ScheduleWarning> out;
  for (const auto& [path, schedule] : schedules_of(config, context)) {
    auto message = misfit(schedule->phases(), context.total_steps);
    if (message.empty()) message = schedule->misfit(context.total_steps);
    if (!message.empty()) out.push_back({path, message});
  }
  return out;
}

std::vector<ScheduleWarning> optimizer_warnings(const OptimConfig& config, const ScheduleContext& context) {
  std::vector<ScheduleWarning> out;
  const auto ask = [&](const std::string& path, const Variant<OptimizerEntry>& optimizer) {
    if (!optimizer.entry().warnings) return;
    for (const auto& [key, message] : optimizer.entry().warnings(optimizer.settings(), context.total_steps)) {
      out.push_back({cat(path, ".", key), message});
    }
  };
  ask("optim.optimizer", config.optimizer);
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    if (config.groups[i].optimizer) ask(cat("optim.groups.", i, ".optimizer"), *config.groups[i].optimizer);
  }
  return out;
}

namespace {

/// Of every group, the default one first, in an order that depends on names and groups alone.
std::vector<PlacedSchedule> all_schedules(const Course& course) {
  std::vector<PlacedSchedule> out;
  const auto add = [&](std::string path, const Variant<ScheduleEntry>& schedule) {
    out.push_back({std::move(path), schedule.entry().make(schedule.settings(), course.context)});
  };
  const auto add_moving = [&](const std::string& path, const NamedMap<MovingConfig>& schedules) {
    for (const auto& [name, moving] : schedules) add(cat(path, ".", name, ".schedule"), moving.schedule);
  };
  const auto& config = course.config;
  add("optim.schedule", config.schedule);
  add_moving("optim.schedules", config.schedules);
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const auto& group = config.groups[i];
    const auto path = cat("optim.groups.", i);
    add(group.schedule ? path + ".schedule" : "optim.schedule", group.schedule.value_or(config.schedule));
    if (group.schedules) add_moving(path + ".schedules", *group.schedules);
  }
  return out;
}

}  // namespace

std::optional<ChangedRate> first_changed_rate(const Course& before, const Course& after, std::int64_t begin,
                                              std::int64_t end) {
  const auto old_schedules = all_schedules(before), new_schedules = all_schedules(after);
  if (old_schedules.size() != new_schedules.size()) throw std::logic_error("courses of different groups");
  for (std::size_t i = 0; i < new_schedules.size(); ++i) {
    for (auto t = begin; t < end; ++t) {
      const double was = old_schedules[i].schedule->factor(before.context.time_of(t));
      const double is = new_schedules[i].schedule->factor(after.context.time_of(t));
      if (was != is) return ChangedRate{new_schedules[i].path, t, was, is};
    }
  }
  return std::nullopt;
}

}  // namespace ingot
