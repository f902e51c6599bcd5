// Clipping by the norm of all gradients together.
//
//   factor = min(1, c / (N + 1e-6)),   N = sqrt(sum over all trained masters of ||g||²),   c: max_norm
//
// The 1e-6 is that of torch.nn.utils.clip_grad_norm_. Pascanu et al. 2013 (arXiv:1211.5063), algorithm 1.

#include <algorithm>

#include "config/fields.h"
#include "config/units.h"
#include "optim/clipper.h"

namespace ingot::global_norm {
namespace {

struct GlobalNormConfig {
  double max_norm = 1;
};

void describe(Fields& f, GlobalNormConfig& c) {
  f.field("max_norm", c.max_norm, "largest norm of all gradients together that is left as it is", Rule{}.above(0));
}

class GlobalNorm final : public Clipper {
 public:
  explicit GlobalNorm(const GlobalNormConfig& config) : max_norm_(config.max_norm) {}
  double factor(const GradientNorms& norms) override { return std::min(1.0, max_norm_ / (norms.total + 1e-6)); }

 private:
  double max_norm_;
};

}  // namespace
}  // namespace ingot::global_norm

namespace ingot {

void register_global_norm(Family<ClipperEntry>& family) {
  add_entry<global_norm::GlobalNormConfig, global_norm::GlobalNorm>(
      family, "global_norm", "Scales all gradients together so that their norm stays in bounds.",
      "Pascanu et al. 2013, arXiv:1211.5063")
      .samples = {"{max_norm: 0.1}"};
}

}  // namespace ingot
