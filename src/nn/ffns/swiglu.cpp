// SwiGLU feed-forward: y = W_down (silu(W_gate x) ⊙ W_up x)
//
//   x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases.
//   Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202, eq. 6.

#include "ops/swiglu/swiglu.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

#include "config/fields.h"
#include "config/units.h"
#include "nn/branch.h"
#include "nn/linear.h"

namespace ingot {
namespace swiglu {

struct Config {
  Width width = Width::times(8, 3);
  std::int64_t multiple_of = 1;
};

void describe(Fields& f, Config& c) {
  f.field("width", c.width, "inner width, or its ratio to d_model such as 3x or 8/3x");
  f.field("multiple_of", c.multiple_of, "a width given as a ratio is rounded up to a multiple of this",
          Rule{}.at_least(1));
}

class Swiglu final : public Ffn {
 public:
  Swiglu(const Config& config, const BranchContext& context)
      : d_model_(context.d_model),
        width_(config.width.resolve(context.d_model, config.multiple_of)),
        recompute_(context.recompute == Recompute::kSelective) {
    gate_up_ = JoinedLinear(context.scope, {reads_stream_spec("gate.weight", "gate", width_, d_model_),
                                            reads_stream_spec("up.weight", "up", width_, d_model_)});
    if (context.site_norm) hidden_norm_ = context.site_norm(Site::kHidden, context.scope.sub("hidden_norm"), width_, 1);
    down_ = Linear(context.scope, writes_stream_spec("down.weight", "down", d_model_, width_));
  }

  at::Tensor forward(const at::Tensor& x, const SequenceContext& /*context*/) const override {
    const auto hidden = [this](const std::vector<at::Tensor>& gate_up) {
      const at::Tensor product = ops::swiglu(gate_up[0]);
      return hidden_norm_ ? hidden_norm_->forward(product) : product;
    };
    return down_.forward(hidden, {gate_up_.forward_joined(x)}, recompute_);
  }

  std::vector<FlopItem> flops() const override {
    const double product = 2.0 * static_cast<double>(d_model_ * width_);
    return {{"gate", product}, {"up", product}, {"product", 5.0 * static_cast<double>(width_)}, {"down", product}};
  }

 private:
  std::int64_t d_model_;
  std::int64_t width_;
  bool recompute_;
  JoinedLinear gate_up_;
  std::unique_ptr<Norm> hidden_norm_;
  Linear down_;
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor gate = at::linear(x, params.at("gate.weight"));
  return at::linear(at::silu(gate) * at::linear(x, params.at("up.weight")), params.at("down.weight"));
}

}  // namespace swiglu

void register_swiglu(Family<FfnEntry>& family) {
  using swiglu::Config;
  FfnEntry& e = family.add<Config>("swiglu", "Two projections in, one of them through SiLU as a gate, one out.",
                                   "Shazeer 2020, arXiv:2002.05202");
  e.make = with_settings<Config>([](const Config& config, const BranchContext& context) -> std::unique_ptr<Ffn> {
    return std::make_unique<swiglu::Swiglu>(config, context);
  });
  e.reference = with_settings<Config>(swiglu::reference);
  e.num_parameters = with_settings<Config>([](const Config& config, std::int64_t d_model) {
    return 3 * d_model * config.width.resolve(d_model, config.multiple_of);
  });
  e.sites = {Site::kHidden};
  e.samples = [](const Families&) {
    return std::vector<Sample>{{"3x", std::make_shared<ConfigBox<Config>>(Config{Width::times(3), 1})},
                               {"rounded", std::make_shared<ConfigBox<Config>>(Config{Width::times(8, 3), 16})},
                               {"number", std::make_shared<ConfigBox<Config>>(Config{Width::of(20), 1})}};
  };
}

}  // namespace ingot
