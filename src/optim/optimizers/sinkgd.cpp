// SinkGD: gradients whose rows and columns have equal norms. No state.
//
//   X = G;  L times: every row of X scaled to norm sqrt(n), then every column to norm sqrt(m)
//   W = (1 - η·λ)·W - η·X
//
// W, G, X [m, n]; the root mean square of X is 1. The paper's factor α = 0.05 of the learning rate of Adam for the rest
// is in η here: embeddings, head and vectors have their own under `optim.others`. Without momentum it wants large
// batches. No decay in the paper. Scetbon et al. 2025, arXiv:2502.06742, algorithm 3.

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/sinkhorn.h"

namespace ingot::sinkgd {
namespace {

struct SinkgdConfig {
  double lr = 1e-3;
  double weight_decay = 0;
  std::int64_t iterations = 5;
};

void describe(Fields& f, SinkgdConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  f.field("iterations", c.iterations, "how often rows and columns are scaled; 3 are exact to 1e-5",
          Rule{}.at_least(1).at_most(100));
}

class Sinkgd final : public MatrixOptimizer {
 public:
  explicit Sinkgd(const SinkgdConfig& config) : config_(config) {}

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    return equal_norms(gradient_of(slot, context), config_.iterations);
  }

 private:
  const SinkgdConfig& config_;
};

}  // namespace
}  // namespace ingot::sinkgd

namespace ingot {

void register_sinkgd(Family<OptimizerEntry>& family) {
  using namespace sinkgd;
  add_matrix_optimizer<SinkgdConfig, Sinkgd>(family, "sinkgd",
                                             "Gradients whose rows and columns have equal norms; without a state.",
                                             "Scetbon et al. 2025, arXiv:2502.06742")
      .samples = {"{iterations: 2}"};
}

}  // namespace ingot
