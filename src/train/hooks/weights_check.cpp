// Whether all ranks have the same weights.

#include "train/hooks/all.h"

namespace ingot {
namespace {

class WeightsCheck final : public Hook {
 public:
  WeightsCheck(const TrainRun& run, std::int64_t every) : run_(run), every_(every) {}
  std::string name() const override { return "weights_check"; }

  void after_step(const StepReport& /*report*/) override {
    const auto step = run_.counters.step;
    if (step % every_ == 0) check_equal_weights(run_.world, *run_.setup.store, step);
  }

 private:
  const TrainRun& run_;
  std::int64_t every_;
};

}  // namespace

std::unique_ptr<Hook> make_weights_check(TrainRun& run) {
  const auto& every = run.config.distributed.check_every;
  return every ? std::make_unique<WeightsCheck>(run, *every) : nullptr;
}

}  // namespace ingot
