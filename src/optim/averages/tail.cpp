// Mean of the weights over the end of the run.
//
//   a_n = (w_1 + … + w_n)/n:   s_n = 1/n
//
// w_n: the n-th weights that enter; they do from `start` on, each `every` updates. State a: 4 bytes for each fp32
// parameter. Izmailov et al. 2018, arXiv:1803.05407, equation 1; weights far apart, as with a large `every`: Sanyal et
// al. 2023, arXiv:2306.03241 (there over a window that moves, which would keep as many copies of the weights).

#include "optim/average.h"

namespace ingot::tail_average {
namespace {

struct TailConfig {
  AverageScope scope = {{}, {90, Duration::Unit::kPercent}, 1, 1};
};

void describe(Fields& f, TailConfig& c) { describe(f, c.scope); }

class Tail final : public Average {
 public:
  double share(std::int64_t n) const override { return 1 / static_cast<double>(n); }
};

}  // namespace
}  // namespace ingot::tail_average

namespace ingot {

void register_tail(Family<AverageEntry>& family) {
  using tail_average::TailConfig;
  auto& entry = add_entry<TailConfig, tail_average::Tail>(family, "tail",
                                                          "Evaluates the mean of the weights over the end of the run.",
                                                          "Izmailov et al. 2018, arXiv:1803.05407");
  entry.scope = with_settings<TailConfig>([](const TailConfig& c) { return c.scope; });
  entry.samples = {"{start: 2 steps, every: 2}"};
}

}  // namespace ingot
