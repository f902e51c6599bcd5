#pragma once
// What scalings by width share: the rules of muP.

#include <cmath>
#include <cstdint>

#include "config/fields.h"
#include "config/units.h"
#include "params/scaling.h"

namespace ingot {

/// Settings of a scaling by width.
struct WidthConfig {
  std::int64_t base_width = 256;
  double output_factor = 1;
};

inline void describe(Fields& f, WidthConfig& c) {
  f.field("base_width", c.base_width, "d_model at which start values and learning rates were tuned",
          Rule{}.required().at_least(1));
  f.field("output_factor", c.output_factor, "factor of the logits at the base width", Rule{}.above(0));
}

/// m = d_model / base_width. Matrices inside the stack start at 1/sqrt(m) of what is written; their rate is 1/m of it
/// under Adam and the like, and unchanged under SGD, where everything else has m times the rate. Logits are divided by
/// m. Yang et al. 2022 (arXiv:2203.03466), table 8. Updates of a fixed spectral norm keep the rate, orthogonal ones of
/// fixed elements get 1/sqrt(m) of it: Yang et al. 2023 (arXiv:2310.17813), condition 1.
class WidthScaling : public Scaling {
 public:
  double init(const ParamInfo& info) const override { return is_weight_matrix(info) ? 1 / std::sqrt(ratio_) : 1; }
  double lr(const ParamInfo& info, UpdateSize size) const override {
    if (is_weight_matrix(info)) return matrix_lr(size);
    return size == UpdateSize::kGradient && info.numel() > 1 ? ratio_ : 1;
  }
  double logits() const override { return output_factor_ / ratio_; }

 protected:
  WidthScaling(const WidthConfig& config, const ScalingContext& context)
      : ratio_(static_cast<double>(context.d_model) / static_cast<double>(config.base_width)),
        output_factor_(config.output_factor) {}

  double ratio() const { return ratio_; }

 private:
  double matrix_lr(UpdateSize size) const {
    if (size == UpdateSize::kNormalised) return 1 / ratio_;
    return size == UpdateSize::kOrthogonal ? 1 / std::sqrt(ratio_) : 1;
  }

  double ratio_, output_factor_;
};

}  // namespace ingot
