// Widths and depths: what is tuned on a small shallow model holds for a wide deep one.
//
//                                 start values   forward        lr                    decay
//   matrices inside the stack     σ / sqrt(m)    out: / l^α     η l^(α-1) / m         λ m
//   the rest of the sub-layers    σ                             η l^(α-1)             λ
//   head, embedding, the rest     σ              z a / m        η                     λ
//
// m = d_model / base_width, l = S / base_sublayers, S: residual branches. `forward`, out: matrices that write the
// stream, so that what a branch adds is divided by l^α; what is trained, started and decayed is the matrix without that
// factor. α = 1 is CompleteP, under which every layer keeps learning features; 0.5 is the older depth rule. For Adam
// and the like; under SGD rates follow the width alone. It assumes that branches end in their matrix: a norm behind it
// would take the factor away, a bias there does not get it. The paper's eps, divided by m l^α, is left to the
// optimizer's setting. Dey et al. 2025, "Don't be lazy: CompleteP enables compute-efficient deep transformers",
// arXiv:2505.01618, table 1.

#include "params/width_scaling.h"

namespace ingot::complete_p {
namespace {

struct CompletePConfig : WidthConfig {
  std::int64_t base_sublayers = 4;
  double alpha = 1;
};

void describe(Fields& f, CompletePConfig& c) {
  describe(f, static_cast<WidthConfig&>(c));
  f.field("base_sublayers", c.base_sublayers, "residual branches of the model at which everything was tuned",
          Rule{}.required().at_least(1));
  f.field("alpha", c.alpha, "power of the depth by which branches are divided: 1, or 0.5 for the older rule",
          Rule{}.at_least(0).at_most(1));
}

class CompleteP final : public WidthScaling {
 public:
  CompleteP(const CompletePConfig& config, const ScalingContext& context)
      : WidthScaling(config, context),
        depth_(static_cast<double>(context.num_sublayers) / static_cast<double>(config.base_sublayers)),
        alpha_(config.alpha) {}

  double lr(const ParamInfo& info, UpdateSize size) const override {
    const bool deep = info.depth >= 0 && size == UpdateSize::kNormalised;
    return WidthScaling::lr(info, size) * (deep ? std::pow(depth_, alpha_ - 1) : 1);
  }
  double weight_decay(const ParamInfo& info, UpdateSize size) const override {
    return 1 / WidthScaling::lr(info, size);
  }
  double forward(const ParamInfo& info) const override { return info.roles.has(Role::kWritesStream) ? branch() : 1; }

 private:
  double branch() const { return std::pow(depth_, -alpha_); }

  double depth_, alpha_;
};

}  // namespace
}  // namespace ingot::complete_p

namespace ingot {

void register_complete_p(Family<ScalingEntry>& family) {
  using namespace complete_p;
  add_scaling<CompletePConfig, CompleteP>(
      family, "complete_p", "What is tuned at one width and depth holds at others.",
      "Dey et al. 2025, arXiv:2505.01618",
      {"{base_width: 4, base_sublayers: 2}", "{base_width: 4, base_sublayers: 1, alpha: 0.5}"});
}

}  // namespace ingot
