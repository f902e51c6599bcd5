// A rate that rises by the same factor at each update: shows from which rate on training fails.
//
//   factor(t) = r^(1 - t/(T - 1))        t: update from 0, T: updates of the run, r: `from`
//
// Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.3, with a rise that
// is exponential instead of linear. `ingot tune lr` begins with such a run.

#include <cmath>

#include "optim/warmup.h"

namespace ingot::range_test {
namespace {

struct RangeTestConfig {
  double from = 1e-5;
};

void describe(Fields& f, RangeTestConfig& c) {
  f.field("from", c.from, "share of the learning rate at the first update", Rule{}.above(0).at_most(1));
}

class RangeTest final : public Schedule {
 public:
  RangeTest(const RangeTestConfig& config, const ScheduleContext& context)
      : log_from_(std::log(config.from)), total_(context.total_steps) {}
  double factor(double t) const override {
    if (total_ < 2) return 1;
    return std::exp(log_from_ * (1 - t / static_cast<double>(total_ - 1)));
  }
  SchedulePhases phases() const override { return {total_}; }

 private:
  double log_from_;
  std::int64_t total_;
};

}  // namespace
}  // namespace ingot::range_test

namespace ingot {

void register_range_test(Family<ScheduleEntry>& family) {
  add_entry<range_test::RangeTestConfig, range_test::RangeTest>(
      family, "range_test", "A rate that rises by the same factor at each update.", "Smith 2017, arXiv:1506.01186")
      .samples = {"{from: 0.01}"};
}

}  // namespace ingot
