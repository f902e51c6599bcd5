// Weight conditioning: every row of unit length, which narrows the gap between singular values.
//
//   W = E w      E = diag(1 / |w_i|)
//
//   dw_i = (dW_i - <dW_i, w_i> w_i / |w_i|²) / |w_i|, or with `detach` dw_i = dW_i / |w_i|
//
// w [out, in]. Saratchandran, Wang & Lucey 2024, "Weight Conditioning for Smooth Optimization of Neural Networks",
// arXiv:2409.03424: among diagonal preconditioners nearly the best one (Van der Sluis). It is part of the forward pass
// there. Whether its gradient passes through E was not released with code: by default it does, which is weight
// normalisation with all lengths 1; with `detach` E counts as constant. The length of a start weight is lost; that of w
// sets the size of steps alone.

#include "config/fields.h"
#include "params/row_lengths.h"

namespace ingot {
namespace weight_conditioning {
namespace {

struct WeightConditioningConfig {
  bool detach = false;
  bool embeddings = false;
};

void describe(Fields& f, WeightConditioningConfig& c) {
  f.field("detach", c.detach, "whether the lengths of rows count as constants in the gradient");
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class WeightConditioning final : public row_lengths::FixedLength {
 public:
  explicit WeightConditioning(const WeightConditioningConfig& config)
      : FixedLength(1, config.detach), embeddings_(config.embeddings) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, embeddings_); }

 private:
  bool embeddings_;
};

}  // namespace
}  // namespace weight_conditioning

void register_weight_conditioning(Family<ParametrizationEntry>& family) {
  add_parametrization<weight_conditioning::WeightConditioningConfig, weight_conditioning::WeightConditioning>(
      family, "weight_conditioning", "Every row over its length.", "Saratchandran et al. 2024, arXiv:2409.03424",
      {"{detach: true}", "{embeddings: true}"});
}

}  // namespace ingot
