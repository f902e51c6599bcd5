// Weight normalisation: length and direction of each output's weights are trained apart.
//
//   w_i = g_i v_i / |v_i|
//
//   dg_i = <dw_i, v_i> / |v_i|
//   dv_i = (g_i / |v_i|) (dw_i - dg_i v_i / |v_i|)
//
// v [out, in]; g [out], or [1] with one length for the whole matrix (`per: matrix`, then |v| is the Frobenius norm).
// dv is orthogonal to v: decay of v changes its step size only, so decay acts on g.
// Salimans & Kingma 2016, equations 2-3; gradients as in their section 2. A start weight W gives v = W, g_i = |w_i|, so
// that the first forward pass is that of the plain weight. With `start: batch` (section 3, without the shift, for want
// of biases) each g_i is then divided by the standard deviation of output i over the tokens of the first batch, layers
// further up seeing what those below give after that. It reaches the linears, not the embedding and the head.

#include "base/error.h"
#include "config/fields.h"
#include "params/row_lengths.h"

namespace ingot {
namespace weight_norm {
namespace {

using row_lengths::Unit;
enum class Start { kWeight, kBatch };

struct WeightNormConfig {
  Unit per = Unit::kRow;
  Start start = Start::kWeight;
  bool embeddings = false;
};

void describe(Fields& f, WeightNormConfig& c) {
  f.choice("per", c.per, {{"row", Unit::kRow}, {"matrix", Unit::kMatrix}},
           "one length for each output (row), as published, or for the whole matrix");
  f.choice("start", c.start, {{"weight", Start::kWeight}, {"batch", Start::kBatch}},
           "start with the weights that the init gives, or such that each output has standard deviation 1 on the first "
           "batch");
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class WeightNorm final : public row_lengths::LengthAndDirection {
 public:
  explicit WeightNorm(const WeightNormConfig& config)
      : LengthAndDirection(config.per, config.embeddings, ".g", ".v"), start_(config.start) {
    if (start_ == Start::kBatch && config.per == Unit::kMatrix) {
      throw ConfigError("start: batch scales each output, expected per: row with it");
    }
  }
  bool fits_outputs() const override { return start_ == Start::kBatch; }
  void fit_outputs(const at::Tensor& std, std::vector<at::Tensor>& masters) const override { masters.at(0).div_(std); }

 private:
  Start start_;
};

}  // namespace
}  // namespace weight_norm

void register_weight_norm(Family<ParametrizationEntry>& family) {
  add_parametrization<weight_norm::WeightNormConfig, weight_norm::WeightNorm>(
      family, "weight_norm", "Length and direction of each output's weights are trained apart: w = g v/|v|.",
      "Salimans & Kingma 2016, arXiv:1602.07868", {"{per: matrix}", "{start: batch, embeddings: true}"});
}

}  // namespace ingot
