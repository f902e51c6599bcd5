#include "optim/warmup.h"

#include <memory>

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

void describe(Fields& f, CooldownConfig& c) {
  f.field("warmup", c.warmup, "rise from near 0 to the peak rate");
  f.field("decay", c.decay, "fall at the end of the run");
  f.field("final_ratio", c.final_ratio, "rate that the fall leads to, as a share of the peak",
          Rule{}.at_least(0).at_most(1));
}

namespace {

class Fall final : public WarmedUp {
 public:
  Fall(const DecayConfig& config, const ScheduleContext& context, DecayShape shape)
      : WarmedUp(steps_of(config.warmup, context), config.alignment),
        shape_(shape),
        final_ratio_(config.final_ratio),
        length_(std::max(0.0, static_cast<double>(context.total_steps) - warmup())),
        shift_(config.alignment == Alignment::kStandard && config.final_ratio > 0 ? 1 : 0) {}

  SchedulePhases phases() const override { return {WarmedUp::phases().warmup, static_cast<std::int64_t>(length_)}; }

 private:
  double after_warmup(double t) const override {
    const double x = length_ > 0 ? std::clamp((t - warmup() + shift_) / length_, 0.0, 1.0) : 0;
    return between(shape_, x, 1, final_ratio_);
  }

  DecayShape shape_;
  double final_ratio_, length_, shift_;
};

}  // namespace

void add_fall(Family<ScheduleEntry>& family, std::string name, std::string summary, std::string paper,
              DecayShape shape) {
  auto& entry = family.add<DecayConfig>(std::move(name), std::move(summary), std::move(paper));
  entry.make = [shape](const ConfigObject& settings, const ScheduleContext& context) {
    return std::make_unique<Fall>(settings_as<DecayConfig>(settings), context, shape);
  };
  entry.samples = {"{warmup: 5 steps, final_ratio: 0.1}", "{warmup: 5 steps, alignment: nanogpt}"};
}

CooledDown::CooledDown(const CooldownConfig& config, const ScheduleContext& context)
    : WarmedUp(steps_of(config.warmup, context)),
      phases_{WarmedUp::phases().warmup, steps_of(config.decay, context)},
      final_ratio_(config.final_ratio),
      decay_(std::min(static_cast<double>(*phases_.decay),
                      std::max(0.0, static_cast<double>(context.total_steps) - warmup()))),
      start_(static_cast<double>(context.total_steps) - decay_) {}

double CooledDown::after_warmup(double t) const {
  if (t < start_ || decay_ == 0) return middle(t);
  const double from = middle(start_);
  return way_down(std::min(1.0, (t - start_) / decay_), from, std::min(final_ratio_, from));
}

}  // namespace ingot
