// SwiGLU feed-forward: y = W_down (silu(W_gate x) ⊙ W_up x)
//
//   x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases. With `hidden_scale`, s_g ⊙ W_gate x and s_u ⊙ W_up x
//   stand for W_gate x and W_up x; s_g, s_u [w] start at 1 (Loshchilov et al. 2024, arXiv:2410.01131, section 2.4.2:
//   s_v and s_u).
//   Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202, eq. 6.

#include "ops/swiglu/swiglu.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

#include "config/fields.h"
#include "config/limits.h"
#include "config/units.h"
#include "nn/branch.h"
#include "nn/linear.h"
#include "registry/add_entry.h"

namespace ingot {
namespace swiglu {

struct Config {
  Width width = Width::times(8, 3);
  std::int64_t multiple_of = 1;
  bool hidden_scale = false;
};

void describe(Fields& f, Config& c) {
  f.field("width", c.width, "inner width, or its ratio to d_model such as 3x or 8/3x");
  f.field("multiple_of", c.multiple_of, "a width given as a ratio is rounded up to a multiple of this",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("hidden_scale", c.hidden_scale, kHiddenScaleHelp);
}

class Swiglu final : public Ffn {
 public:
  Swiglu(const Config& config, const BranchContext& context)
      : d_model_(context.d_model),
        width_(config.width.resolve(context.d_model, config.multiple_of)),
        recompute_(context.recompute == Recompute::kSelective) {
    gate_up_ = JoinedLinear(context, {reads_stream_spec("gate.weight", "gate", width_, d_model_),
                                      reads_stream_spec("up.weight", "up", width_, d_model_)});
    if (config.hidden_scale) {
      gate_scale_ = context.scope.declare(gain_spec("gate.scale", width_));
      up_scale_ = context.scope.declare(gain_spec("up.scale", width_));
    }
    hidden_norm_ = make_site_norm(context, Site::kHidden, "hidden_norm", width_, 1);
    down_ = Linear(context, writes_stream_spec("down.weight", "down", d_model_, width_));
  }

  at::Tensor forward(const at::Tensor& x, const SequenceContext& /*context*/) const override {
    const auto hidden = [this](const std::vector<at::Tensor>& gate_up) {
      const at::Tensor product = ops::swiglu(scaled(gate_up[0]));
      return normalised(hidden_norm_, product);
    };
    return down_.forward(hidden, {gate_up_.forward_joined(x)}, recompute_);
  }

  std::vector<FlopItem> flops() const override {
    const double product = 2.0 * static_cast<double>(d_model_ * width_);
    return {{"gate", product}, {"up", product}, {"product", 5.0 * static_cast<double>(width_)}, {"down", product}};
  }

 private:
  at::Tensor scaled(const at::Tensor& gate_up) const {
    if (!gate_scale_) return gate_up;
    return (gate_up * at::cat({gate_scale_.compute(), up_scale_.compute()})).to(gate_up.scalar_type());
  }

  std::int64_t d_model_;
  std::int64_t width_;
  bool recompute_;
  JoinedLinear gate_up_;
  Param gate_scale_, up_scale_;
  std::unique_ptr<Norm> hidden_norm_;
  Linear down_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  at::Tensor gate = at::linear(x, params.at("gate.weight")), up = at::linear(x, params.at("up.weight"));
  if (config.hidden_scale) {
    gate = gate * params.at("gate.scale");
    up = up * params.at("up.scale");
  }
  return at::linear(at::silu(gate) * up, params.at("down.weight"));
}

}  // namespace swiglu

void register_swiglu(Family<FfnEntry>& family) {
  using namespace swiglu;
  auto& e =
      add_entry<Config, Swiglu>(family, "swiglu", "Two projections in, one of them through SiLU as a gate, one out.",
                                "Shazeer 2020, arXiv:2002.05202");
  e.effective = effective_settings(with_width_resolved<Config>);
  e.sites = {Site::kHidden};
  e.samples = named_samples<Config>({{"3x", {Width::times(3), 1, false}},
                                     {"rounded", {Width::times(8, 3), 16, false}},
                                     {"number", {Width::of(20), 1, false}},
                                     {"scaled", {Width::of(20), 1, true}}});
}

}  // namespace ingot
