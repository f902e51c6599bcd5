#include "train/memory_check.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "device/machine.h"
#include "device/memory_room.h"
#include "train/experiment.h"

namespace ingot {

std::int64_t held_memory(const Experiment& experiment) {
  return experiment.config.train.device == DeviceKind::kCuda ? 0 : memory_use().resident;
}

void check_memory(const Experiment& experiment) {
  if (!experiment.costs || experiment.config.train.device == DeviceKind::kCuda) return;
  const MemoryPlan plan = plan_memory(experiment);
  const std::int64_t least = plan.total() - plan.activations - plan.checkpoint;
  const MemoryRoom room = memory_room();
  const std::int64_t all = room.bytes + held_memory(experiment);
  const auto bytes = [](std::int64_t count) { return format_bytes(static_cast<double>(count)); };
  if (least > all) {
    throw OutOfMemoryError(cat("the model and its optimizer need ", bytes(least), ", but ", room.limit, " leaves ",
                               bytes(all), " (see `ingot plan`)"));
  }
  if (plan.total() <= all) return;
  log::warning(cat("a micro-batch of ", experiment.micro_batch, " may not fit: training needs about ",
                   bytes(plan.total()), ", but ", room.limit, " leaves ", bytes(all),
                   "; a process that takes more is killed without a word"));
}

}  // namespace ingot
