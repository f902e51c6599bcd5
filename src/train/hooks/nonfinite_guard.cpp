// Losses and gradients that are not finite, where no spike ladder looks after them.

#include "train/hooks/all.h"

namespace ingot {
namespace {

class NonFiniteGuard final : public Hook {
 public:
  explicit NonFiniteGuard(const TrainRun& run) : run_(run) {}
  std::string name() const override { return "nonfinite_guard"; }

  StepVerdict judge(double loss, double grad_norm) override {
    if (TrainStep::is_finite(loss, grad_norm)) return StepVerdict::kApply;
    const auto& train = run_.config.train;
    const bool too_many = run_.counters.skipped_in_a_row + 1 > train.max_skipped;
    return train.on_nonfinite == OnNonFinite::kStop || too_many ? StepVerdict::kStop : StepVerdict::kSkip;
  }

 private:
  const TrainRun& run_;
};

}  // namespace

std::unique_ptr<Hook> make_nonfinite_guard(TrainRun& run) {
  return run.config.train.spikes ? nullptr : std::make_unique<NonFiniteGuard>(run);
}

}  // namespace ingot
