// Maximal update parametrization: what is tuned at one width holds at others.
//
//                                start values   logits    lr: Adam and the like   lr: SGD
//   matrices inside the stack    σ / sqrt(m)              η / m                   η
//   head, embedding, the rest    σ              z a / m   η                       η m
//
// Updates that move outputs by the same at each width (Muon's, with spectral norm 1 or sqrt(rows/columns)) need no
// factor for matrices inside the stack; with equal singular values and elements of one size (Muon matched to Adam's)
// the norm grows with the root of the width, so the factor is 1 / sqrt(m): Yang et al. 2023, arXiv:2310.17813,
// condition 1.
//
// m = d_model / base_width; σ, η: as the config has them, tuned at the base width, where nothing changes with a = 1. σ
// falls by this rule where the init does not follow the width already. The factor of the logits z acts on the head's
// input, so it serves a tied head, whose start values are those of the embedding. Yang et al. 2022, "Tensor Programs V:
// Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer", arXiv:2203.03466, table 8.
//
// It is meant for widths that grow together: inner widths with d_model, heads in number with their own width fixed
// (else the scores need 1 / head_dim in place of its root: `scale` of attention). Of a hybrid's parameters, those with
// one side along the width are vectors: convolutions over channels (whose other side are the taps), a_log, dt_bias, d,
// gains and meta tokens. Whatever reads the stream sums over the width, so that projections to a width that stays
// (Mamba2's b and c, dt and beta of a fixed number of heads, heads of keys and values in a fixed number) count as
// matrices inside the stack: their outputs would else move by m as much. Steps of an orthogonalised matrix (Muon) have
// the size that their own scale gives them and are left alone, and so is Adam's eps. Decay is divided by the factor of
// the learning rate, so that their product is that of the base width, as in the authors' optimizers, unless
// `keep_decay`.

#include "params/width_scaling.h"

namespace ingot::mup {
namespace {

struct MupConfig : WidthConfig {
  bool keep_decay = false;
};

void describe(Fields& f, MupConfig& c) {
  describe(f, static_cast<WidthConfig&>(c));
  f.field("keep_decay", c.keep_decay,
          "leave weight decay as it is written, so that it acts less where rates are lower");
}

class Mup final : public WidthScaling {
 public:
  Mup(const MupConfig& config, const ScalingContext& context) : WidthScaling(config, context), config_(config) {}

  double weight_decay(const ParamInfo& info, UpdateSize size) const override {
    return config_.keep_decay ? 1 : 1 / lr(info, size);
  }

 private:
  MupConfig config_;
};

}  // namespace
}  // namespace ingot::mup

namespace ingot {

void register_mup(Family<ScalingEntry>& family) {
  using namespace mup;
  add_scaling<MupConfig, Mup>(family, "mup", "What is tuned at one width holds at others.",
                              "Yang et al. 2022, arXiv:2203.03466",
                              {"{base_width: 32, output_factor: 2}", "{base_width: 4, keep_decay: true}"});
}

}  // namespace ingot
