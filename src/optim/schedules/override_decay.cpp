// A decay from wherever another schedule is: a run that was meant to go on is brought to an end.
//
//   factor(t) = g(t)                      t < F
//               g(F) -> r by `shape`      else, y = (t - F)/D, and r once that is 1
//
// t: update from 0, g: the schedule before, as it was for a run of `planned` length, F: where the decay begins, D: its
// length, by default to the end of the run, r: final ratio, or g(F) if that is less. A run that is resumed may take it
// in place of g: the updates that it has taken keep their rates. As OverrideDecay in OLMo-core.

#include <algorithm>
#include <memory>
#include <optional>

#include "base/text.h"
#include "optim/warmup.h"

namespace ingot::override_decay {
namespace {

struct OverrideDecayConfig {
  Variant<ScheduleEntry> before{"constant"};
  Duration from = {80, Duration::Unit::kPercent};
  std::optional<Duration> planned;
  std::optional<Duration> length;
  DecayShape shape = DecayShape::kLinear;
  double final_ratio = 0;
};

void describe(Fields& f, OverrideDecayConfig& c) {
  f.field("before", c.before, "the schedule that it breaks off");
  f.field("from", c.from, "where in the run the decay begins");
  f.field("planned", c.planned, "length of the run that `before` was chosen for; absent: of this one");
  f.field("length", c.length, "of the decay; absent: to the end of the run");
  f.choice("shape", c.shape, decay_shape_names(), "how the rate falls, see wsd");
  f.field("final_ratio", c.final_ratio, "rate that the fall leads to, as a share of the peak",
          Rule{}.at_least(0).at_most(1));
}

SettingsProblems validate(const OverrideDecayConfig& c) {
  auto problems = shape_problems(c.shape, c.final_ratio, "shape", "a final_ratio");
  const auto& before = c.before.entry();
  if (!before.validate) return problems;
  for (const auto& [key, message] : before.validate(c.before.settings())) {
    problems.emplace_back(cat("before.", key), message);
  }
  return problems;
}

class OverrideDecay final : public Schedule {
 public:
  OverrideDecay(const OverrideDecayConfig& config, const ScheduleContext& context)
      : from_(static_cast<double>(steps_of(config.from, context))),
        length_(config.length ? static_cast<double>(steps_of(*config.length, context))
                              : std::max(0.0, static_cast<double>(context.total_steps) - from_)),
        shape_(config.shape) {
    auto whole = context;
    if (config.planned) whole.total_steps = std::max<std::int64_t>(1, steps_of(*config.planned, context));
    before_ = config.before.entry().make(config.before.settings(), whole);
    start_ = before_->factor(from_);
    end_ = std::min(config.final_ratio, start_);
  }

  double factor(double t) const override {
    if (t < from_) return before_->factor(t);
    return length_ > 0 ? between(shape_, std::min(1.0, (t - from_) / length_), start_, end_) : end_;
  }
  SchedulePhases phases() const override {
    return {std::min(before_->phases().warmup, static_cast<std::int64_t>(from_))};
  }
  std::string misfit(std::int64_t total) const override {
    const auto count = [](double n) { return format_grouped(static_cast<std::int64_t>(n)); };
    const auto of_run = cat(" in a run of ", format_grouped(total));
    if (from_ >= static_cast<double>(total)) {
      return cat("a decay from update ", count(from_ + 1), of_run, ": it never begins");
    }
    if (from_ + length_ <= static_cast<double>(total)) return "";
    return cat("a decay of ", count(length_), " updates from update ", count(from_ + 1), of_run,
               ": it never reaches its end");
  }

 private:
  std::unique_ptr<Schedule> before_;
  double from_, length_, start_ = 0, end_ = 0;
  DecayShape shape_;
};

}  // namespace
}  // namespace ingot::override_decay

namespace ingot {

void register_override_decay(Family<ScheduleEntry>& family) {
  using namespace override_decay;
  auto& entry = add_entry<OverrideDecayConfig, OverrideDecay>(
      family, "override_decay", "A decay from wherever another schedule is, for a run that is brought to an end.", "");
  entry.validate = with_settings<OverrideDecayConfig>(override_decay::validate);
  entry.samples = {"{before: {type: cosine, warmup: 4 steps, final_ratio: 0.1}, from: 50%, shape: sqrt}",
                   "{from: 10 steps, length: 5 steps, planned: 60 steps, final_ratio: 0.2, before: linear}"};
}

}  // namespace ingot
