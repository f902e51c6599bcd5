#include "train/cadence.h"

#include <algorithm>

namespace ingot {

CadenceTimer::CadenceTimer(const std::optional<Cadence>& cadence, const DurationContext& context) {
  if (!cadence) return;
  if (const auto* time = cadence->wall_time()) {
    seconds_ = time->value;
  } else {
    steps_ = std::max<std::int64_t>(1, cadence->duration()->steps(context));
  }
}

bool CadenceTimer::due(std::int64_t step) {
  if (steps_ > 0) return step % steps_ == 0;
  if (seconds_ <= 0) return false;
  const auto now = Clock::now();
  if (std::chrono::duration<double>(now - last_).count() < seconds_) return false;
  last_ = now;
  return true;
}

}  // namespace ingot
