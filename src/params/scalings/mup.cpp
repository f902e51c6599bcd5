// Maximal update parametrization: what is tuned at one width holds at others.
//
//                                start values   logits    lr: Adam and the like   lr: SGD
//   matrices inside the stack    σ / sqrt(m)              η / m                   η
//   head, embedding, vectors     σ              z a / m   η                       η m
//
// Updates that move outputs by the same at each width (Muon's, with spectral norm 1 or sqrt(rows/columns)) need no factor
// for matrices inside the stack; with equal singular values and elements of one size (Muon matched to Adam's) the norm
// grows with the root of the width, so the factor is 1 / sqrt(m): Yang et al. 2023, arXiv:2310.17813, condition 1.
//
// m = d_model / base_width; σ, η: as the config has them, tuned at the base width, where nothing changes with a = 1. σ
// falls by this rule where the init does not follow the width already. The factor of the logits z acts on the head's
// input, so it serves a tied head, whose start values are those of the embedding. Yang et al. 2022, "Tensor Programs V:
// Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer", arXiv:2203.03466, table 8.
//
// It is meant for widths that grow together: inner widths with d_model, heads in number with their own width fixed
// (else the scores need 1 / head_dim in place of its root). Projections to a width that stays (Mamba2's b and c, heads
// of keys and values in a fixed number) count as matrices inside the stack, and Adam's eps stays as it is. Decay is
// divided by the factor of the learning rate, so that their product is that of the base width, as in the authors'
// optimizers, unless `keep_decay`.

#include <cmath>

#include "config/fields.h"
#include "params/scaling.h"

namespace ingot::mup {
namespace {

struct MupConfig {
  std::int64_t base_width = 256;
  double output_factor = 1;
  bool keep_decay = false;
};

void describe(Fields& f, MupConfig& c) {
  f.field("base_width", c.base_width, "d_model at which start values and learning rates were tuned",
          Rule{}.required().at_least(1));
  f.field("output_factor", c.output_factor, "factor of the logits at the base width", Rule{}.above(0));
  f.field("keep_decay", c.keep_decay,
          "leave weight decay as it is written, so that it acts less where rates are lower");
}

class Mup final : public Scaling {
 public:
  Mup(const MupConfig& config, const ScalingContext& context)
      : config_(config), ratio_(static_cast<double>(context.d_model) / static_cast<double>(config.base_width)) {}

  double init(const ParamInfo& info) const override { return is_weight_matrix(info) ? 1 / std::sqrt(ratio_) : 1; }
  double lr(const ParamInfo& info, UpdateSize size) const override {
    if (is_weight_matrix(info)) return matrix_lr(size);
    return size == UpdateSize::kGradient && info.numel() > 1 ? ratio_ : 1;
  }
  double weight_decay(const ParamInfo& info, UpdateSize size) const override {
    return config_.keep_decay ? 1 : 1 / lr(info, size);
  }
  double logits() const override { return config_.output_factor / ratio_; }

 private:
  double matrix_lr(UpdateSize size) const {
    if (size == UpdateSize::kNormalised) return 1 / ratio_;
    return size == UpdateSize::kOrthogonal ? 1 / std::sqrt(ratio_) : 1;
  }

  MupConfig config_;
  double ratio_;  // m
};

}  // namespace
}  // namespace ingot::mup

namespace ingot {

void register_mup(Family<ScalingEntry>& family) {
  using namespace mup;
  add_scaling<MupConfig, Mup>(family, "mup", "What is tuned at one width holds at others.",
                              "Yang et al. 2022, arXiv:2203.03466", {"{base_width: 32, output_factor: 2}"});
}

}  // namespace ingot
