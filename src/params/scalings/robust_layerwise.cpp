// Widths under AdamW beyond the first steps: decay follows the width too.
//
//                                lr        decay        start values, logits
//   matrices inside the stack    η / m     λ sqrt(m)    as mup
//   head, embedding, the rest    η         0            as mup
//
// m = d_model / base_width. In its steady state AdamW holds the singular values of a matrix at sqrt(η / λ) d^0.75, so
// that this λ keeps the largest one, and with it the gain of each sub-layer, the same at every width: (η/m)/(λ sqrt(m))
// falls as m^-1.5, whose root is m^-0.75. Optimizers whose step is the gradient have mup's rates and the decay as it is
// written. Fan et al. 2025, "Robust Layerwise Scaling Rules by Proper Weight Decay Tuning", arXiv:2510.15262. That head
// and embedding are among its vector-like parameters is muP's classification; the paper is not explicit.

#include "params/width_scaling.h"

namespace ingot::robust_layerwise {
namespace {

class RobustLayerwise final : public WidthScaling {
 public:
  RobustLayerwise(const WidthConfig& config, const ScalingContext& context) : WidthScaling(config, context) {}

  double weight_decay(const ParamInfo& info, UpdateSize size) const override {
    if (!is_weight_matrix(info)) return 0;
    return size == UpdateSize::kNormalised ? std::sqrt(ratio()) : 1;
  }
};

}  // namespace
}  // namespace ingot::robust_layerwise

namespace ingot {

void register_robust_layerwise(Family<ScalingEntry>& family) {
  add_scaling<WidthConfig, robust_layerwise::RobustLayerwise>(
      family, "robust_layerwise", "Rates of matrices as 1/d and their decay as the root of d, for AdamW.",
      "Fan et al. 2025, arXiv:2510.15262", {"{base_width: 4}"});
}

}  // namespace ingot
