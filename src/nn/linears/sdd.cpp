// Scale-distribution decoupling: y = gain ⊙ u / sqrt(mean u² + eps),  u = V x
//
//   x [..., n], V [m, n], gain [m], the mean over the m entries of u. The gain starts at 1, and at N^-1/2 where y joins
//   the residual stream, N being the number of blocks of two sub-layers; the released code's description has 1
//   everywhere. The paper starts V from N(0, 1/(2.5 D)), which is the init `small_init`, and uses post-norm. The scale
//   of V has no effect on y.
//   Wang et al. 2025, "Scale-Distribution Decoupling", arXiv:2502.15499, eq. 1; start values: section 4.1.

#include <cmath>

#include "config/fields.h"
#include "nn/linear.h"
#include "nn/norm_parts.h"
#include "ops/rms_norm/rms_norm.h"

namespace ingot {
namespace sdd {

struct Config {
  double eps = 1e-6;
  bool depth_scaled = true;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
  f.field("depth_scaled", c.depth_scaled,
          "whether gains of outputs that join the stream start at 1 over the root of the number of blocks");
}

class Sdd final : public LinearOutput {
 public:
  Sdd(const Config& config, const LinearContext& context) : eps_(config.eps) {
    const bool scaled = config.depth_scaled && context.writes_stream;
    const double start = scaled ? std::sqrt(2.0 / std::max(2, context.num_sublayers)) : 1;
    gain_ = context.scope.declare(norms::vector_spec(context.name + ".gain", context.width, start));
  }

  at::Tensor forward(const at::Tensor& product) const override {
    return ops::rms_norm(product, gain_.compute(), eps_, product.scalar_type());
  }

 private:
  double eps_;
  Param gain_;
};

}  // namespace sdd

void register_sdd(Family<LinearEntry>& family) {
  auto& e =
      add_entry<sdd::Config, sdd::Sdd>(family, "sdd", "The product divided by its root mean square, times a gain.",
                                       "Wang et al. 2025, arXiv:2502.15499");
  e.drops_scale = true;
  e.samples = {"{eps: 1e-2, depth_scaled: false}"};
}

}  // namespace ingot
