#include "optim/course.h"

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
    const auto message = misfit(schedule->phases(), context.total_steps);
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

std::optional<ChangedRate> first_changed_rate(const OptimConfig& config, const ScheduleContext& before,
                                              const ScheduleContext& after, std::int64_t begin, std::int64_t end) {
  const auto old_schedules = schedules_of(config, before), new_schedules = schedules_of(config, after);
  for (std::size_t i = 0; i < old_schedules.size(); ++i) {
    for (auto t = begin; t < end; ++t) {
      const double was = old_schedules[i].schedule->factor(t), is = new_schedules[i].schedule->factor(t);
      if (was != is) return ChangedRate{old_schedules[i].path, t, was, is};
    }
  }
  return std::nullopt;
}

}  // namespace ingot
