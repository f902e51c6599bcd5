// Weights keep the norm that they had when the constraint came into force.
//
//   W <- W n / |W|       n: |W| at the start, or after the free phase that `start` gives
//
// |.|: Frobenius norm of each matrix, or with `per: row` the norm of each output's weights; state n, one number for
// each. Embedding and head are left alone: their scale reaches the loss. What starts at zero stays free. The projection
// of Lyle et al. 2024, "Normalization and effective learning rates in reinforcement learning", arXiv:2407.01800,
// section 4.1, alone and by matrix or row; `normalize_and_project` does to gains and biases what they do, too. It goes
// with a norm before every nonlinearity, and without decay.

#include "params/kept_norm.h"

namespace ingot::initial_norm {
namespace {

struct InitialNormConfig {
  NormUnit per = NormUnit::kMatrix;
};

void describe(Fields& f, InitialNormConfig& c) {
  f.choice("per", c.per, norm_units(), "one norm for the whole matrix, as published, or for each output (row)");
}

class InitialNorm final : public KeptNorm {
 public:
  explicit InitialNorm(const InitialNormConfig& config) : KeptNorm(config.per) {}
};

}  // namespace
}  // namespace ingot::initial_norm

namespace ingot {

void register_initial_norm(Family<ConstraintEntry>& family) {
  using namespace initial_norm;
  add_constraint<InitialNormConfig, InitialNorm>(family, "initial_norm", "Weights keep the norm that they began with.",
                                                 "Lyle et al. 2024, arXiv:2407.01800", {"{per: row}"});
}

}  // namespace ingot
