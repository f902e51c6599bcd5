// LayerScale: x_{n+1} = x_n + gain ⊙ f_n(norm(x_n)), gain [D] learned, starting at a small number.
//
//   Start: 0.1 up to 18 blocks, 1e-5 up to 24, 1e-6 beyond.
//   Touvron et al. 2021, "Going deeper with Image Transformers", arXiv:2103.17239, section 2.

#include <ATen/TensorOperators.h>

#include <optional>

#include "base/text.h"
#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/placement.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace layer_scale {

struct Config {
  std::optional<double> start;
};

void describe(Fields& f, Config& c) {
  f.field("start", c.start, "value of the gains at the start; by the number of blocks if absent: 0.1, 1e-5 or 1e-6");
}

double start_of(const Config& config, int num_sublayers) {
  const int blocks = block_of(num_sublayers + 1);
  return config.start.value_or(blocks <= 18 ? 0.1 : blocks <= 24 ? 1e-5 : 1e-6);
}

class LayerScale final : public residuals::ScaledResidual {
 public:
  LayerScale(const Config& config, const ResidualContext& context)
      : ScaledResidual(context), start_(start_of(config, context.num_sublayers)) {
    gain_ = residuals::declare_each(context, [&](int) { return norms::vector_spec("gain", context.d_model, start_); });
  }
  std::string text(int /*depth*/) const override { return cat("branch gain from ", start_); }

 private:
  at::Tensor scaled(int depth, const at::Tensor& branch, const Pass& /*pass*/) const override {
    return branch * gain_.at(static_cast<std::size_t>(depth)).compute();
  }

  double start_;
  std::vector<Param> gain_;
};

}  // namespace layer_scale

void register_layer_scale(Family<ResidualEntry>& family) {
  add_entry<layer_scale::Config, layer_scale::LayerScale>(family, "layer_scale",
                                                          "Adds the branch times a learned gain that starts small.",
                                                          "Touvron et al. 2021, arXiv:2103.17239")
      .samples = {"{start: 0.5}"};
}

}  // namespace ingot
