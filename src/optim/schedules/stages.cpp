// Pieces in a row, each a way from where the one before it ended to a factor of its own.
//
//   factor(t) = to + (from - to) f(y)        y = (t + 1 - B)/L, so that the last update of a piece has its factor;
//                                            y = (t - B)/L for a piece that ends at 0, as an update at 0 does nothing
//
// t: update from 0, B: the updates of the pieces before, L: length of the piece, f by `shape`, optim/decay_shape.h.
// After the last piece its factor stays. A rise is a warm-up, a piece to the factor it is at already is a plateau;
// anything that is not monotonous can be written so too. As ComposableScheduler in OLMo-core.

#include <algorithm>

#include "base/text.h"
#include "optim/warmup.h"

namespace ingot::stages_schedule {
namespace {

struct Stage {
  Duration length;
  double to = 0;
  DecayShape shape = DecayShape::kLinear;
};

void describe(Fields& f, Stage& c) {
  f.field("length", c.length, "updates of the piece", Rule{}.required());
  f.field("to", c.to, "factor at its end", Rule{}.required().at_least(0));
  f.choice("shape", c.shape, decay_shape_names(), "the way there, see wsd");
}

struct StagesConfig {
  double start = 1;
  std::vector<Stage> stages;
};

void describe(Fields& f, StagesConfig& c) {
  f.field("start", c.start, "factor before the first piece", Rule{}.at_least(0));
  f.field("stages", c.stages, "the pieces: `{length: 100 steps, to: 1}`, …");
}

SettingsProblems validate(const StagesConfig& c) {
  if (c.stages.empty()) return {{"stages", "no piece, expected at least one"}};
  SettingsProblems problems;
  double from = c.start;
  for (std::size_t i = 0; i < c.stages.size(); ++i) {
    const auto& stage = c.stages[i];
    const auto found =
        shape_problems(stage.shape, std::min(from, stage.to), cat("stages.", i, ".shape"), "both ends of the piece");
    problems.insert(problems.end(), found.begin(), found.end());
    from = stage.to;
  }
  return problems;
}

class Stages final : public Schedule {
 public:
  Stages(const StagesConfig& config, const ScheduleContext& context) : start_(config.start) {
    Duration share{0, Duration::Unit::kPercent};  // rounded once for all pieces so far
    std::int64_t rest = 0;
    for (const auto& stage : config.stages) {
      if (stage.length.unit == share.unit) {
        share.amount += stage.length.amount;
      } else {
        rest += steps_of(stage.length, context);
      }
      pieces_.push_back({static_cast<double>(rest + (share.amount > 0 ? steps_of(share, context) : 0)), stage});
    }
  }

  double factor(double t) const override {
    double from = start_, begin = 0;
    for (const auto& [end, stage] : pieces_) {
      if (t < end) {
        const double shift = stage.to > 0 ? 1 : 0;
        return between(stage.shape, std::min(1.0, (t + shift - begin) / (end - begin)), from, stage.to);
      }
      from = stage.to;
      begin = end;
    }
    return from;
  }

  SchedulePhases phases() const override {
    double from = start_, warmup = 0;
    for (const auto& [end, stage] : pieces_) {
      if (stage.to <= from) break;
      warmup = end;
      from = stage.to;
    }
    return {static_cast<std::int64_t>(warmup)};
  }

  std::string misfit(std::int64_t total) const override {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const auto end = static_cast<std::int64_t>(pieces_[i].end);
      if (begin >= total) return cat("piece ", i + 1, " begins after ", begin, " updates", of_run(total), ": never");
      if (end > total) {
        return cat("piece ", i + 1, " ends after ", end, " updates", of_run(total), ": it never reaches its end");
      }
      begin = end;
    }
    return "";
  }

 private:
  struct Piece {
    double end;
    Stage stage;
  };
  static std::string of_run(std::int64_t total) { return cat(" in a run of ", total); }

  double start_;
  std::vector<Piece> pieces_;
};

}  // namespace
}  // namespace ingot::stages_schedule

namespace ingot {

void register_stages(Family<ScheduleEntry>& family) {
  using namespace stages_schedule;
  auto& entry = add_entry<StagesConfig, Stages>(
      family, "stages", "Pieces in a row, each with a length, a factor at its end and a shape.", "");
  entry.validate = with_settings<StagesConfig>(stages_schedule::validate);
  entry.samples = {
      "{start: 0, stages: [{length: 4 steps, to: 1}, {length: 40%, to: 1}, {length: 20%, to: 0.1, shape: exponential}, "
      "{length: 10%, to: 0, shape: sqrt}]}"};
}

}  // namespace ingot
