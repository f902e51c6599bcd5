#include "optim/warmup.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ingot {

std::int64_t steps_of(const Duration& duration, const ScheduleContext& context) {
  const auto known = [](std::int64_t value) {
    return value > 0 ? std::optional<double>(static_cast<double>(value)) : std::nullopt;
  };
  DurationContext durations;
  durations.tokens_per_step = known(context.tokens_per_step);
  durations.tokens_per_epoch = known(context.tokens_per_epoch);
  durations.parameters = known(context.num_parameters);
  if (context.total_steps > 0) durations.total_steps = context.total_steps;
  return duration.steps(durations);
}

const std::vector<std::pair<std::string, Alignment>>& alignment_names() {
  static const std::vector<std::pair<std::string, Alignment>> names = {{"standard", Alignment::kStandard},
                                                                       {"nanogpt", Alignment::kNanogpt}};
  return names;
}

void describe(Fields& f, DecayConfig& c) {
  f.field("warmup", c.warmup, "rise from near 0 to the peak rate");
  f.field("final_ratio", c.final_ratio, "rate at the end of the run as a share of the peak",
          Rule{}.at_least(0).at_most(1));
  f.choice("alignment", c.alignment, alignment_names(),
           "which updates have the peak and the final rate: `standard` the last of the warm-up and the last of the run "
           "(with "
           "final_ratio 0 the one after it, since an update at rate 0 does nothing), `nanogpt` the ones after these");
}

Ramp::Ramp(const DecayConfig& config, const ScheduleContext& context)
    : Ramp(steps_of(config.warmup, context), context.total_steps, config.final_ratio > 0, config.alignment) {}

double Ramp::warmup_factor(std::int64_t t) const {
  const std::int64_t steps = alignment_ == Alignment::kNanogpt ? warmup_ + 1 : warmup_;
  return static_cast<double>(t + 1) / static_cast<double>(steps);
}

double Ramp::progress(std::int64_t t) const {
  if (total_ <= warmup_) return 0;
  const bool shifted = alignment_ == Alignment::kStandard && reaches_end_;
  const double done = static_cast<double>(t - warmup_ + (shifted ? 1 : 0));
  return std::clamp(done / static_cast<double>(total_ - warmup_), 0.0, 1.0);
}

const std::vector<std::pair<std::string, DecayShape>>& decay_shape_names() {
  static const std::vector<std::pair<std::string, DecayShape>> names = {
      {"linear", DecayShape::kLinear}, {"sqrt", DecayShape::kSqrt}, {"cosine", DecayShape::kCosine}};
  return names;
}

double decay_shape(DecayShape shape, double y) {
  switch (shape) {
    case DecayShape::kSqrt:
      return 1 - std::sqrt(y);
    case DecayShape::kCosine:
      return (1 + std::cos(std::numbers::pi * y)) / 2;
    case DecayShape::kLinear:
      break;
  }
  return 1 - y;
}

}  // namespace ingot
