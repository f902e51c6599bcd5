// Two-layer feed-forward: y = W_down act(W_up x + b_up) + b_down
//
//   x [B, T, d]; W_up [w, d], W_down [d, w]; the biases are optional. With `hidden_scale`, s ⊙ W_up x stands for W_up
//   x, s [w] starting at 1: nGPT's s_u where there is no gate (Loshchilov et al. 2024, arXiv:2410.01131, section
//   2.4.2).
//   Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, eq. 2, with any activation.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>

#include "config/fields.h"
#include "config/limits.h"
#include "config/units.h"
#include "nn/activation.h"
#include "nn/bind.h"
#include "nn/branch.h"
#include "nn/linear.h"
#include "registry/add_entry.h"

namespace ingot {
namespace mlp {

struct Config {
  Variant<ActivationEntry> activation{"gelu"};
  Width width = Width::times(4);
  std::int64_t multiple_of = 1;
  bool bias = false;
  bool hidden_scale = false;
};

void describe(Fields& f, Config& c) {
  f.field("activation", c.activation, "the function between the two products");
  f.field("width", c.width, "inner width, or its ratio to d_model such as 4x");
  f.field("multiple_of", c.multiple_of, "a width given as a ratio is rounded up to a multiple of this",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("bias", c.bias, "whether both products have a bias");
  f.field("hidden_scale", c.hidden_scale, kHiddenScaleHelp);
}

class Mlp final : public Ffn {
 public:
  Mlp(const Config& config, const BranchContext& context)
      : d_model_(context.d_model),
        width_(config.width.resolve(context.d_model, config.multiple_of)),
        site_(context.scope.prefix()),
        recompute_(context.recompute == Recompute::kSelective) {
    const Variant<ActivationEntry> activation = bound(config.activation, context.families);
    activation_ = activation.entry().make(activation.settings());
    up_ = Linear(context, reads_stream_spec("up.weight", "up", width_, d_model_));
    if (config.hidden_scale) up_scale_ = context.scope.declare(gain_spec("up.scale", width_));
    if (config.bias) up_bias_ = context.scope.declare(bias_spec("up.bias", width_));
    hidden_norm_ = make_site_norm(context, Site::kHidden, "hidden_norm", width_, 1);
    down_ = Linear(context, writes_stream_spec("down.weight", "down", d_model_, width_));
    if (config.bias) down_bias_ = context.scope.declare(bias_spec("down.bias", d_model_));
  }

  at::Tensor forward(const at::Tensor& x, const SequenceContext& context) const override {
    const auto hidden = [this, pass = context.pass](const std::vector<at::Tensor>& up) {
      const at::Tensor activated = activation_->forward_in(pass, site_, with_bias(scaled(up[0]), up_bias_));
      return normalised(hidden_norm_, activated);
    };
    return with_bias(down_.forward(hidden, {up_.forward(x)}, recompute_), down_bias_);
  }

  std::vector<FlopItem> flops() const override {
    const double product = 2.0 * static_cast<double>(d_model_ * width_);
    return {{"up", product}, {"activation", static_cast<double>(width_)}, {"down", product}};
  }

 private:
  at::Tensor scaled(const at::Tensor& up) const {
    return up_scale_ ? (up * up_scale_.compute()).to(up.scalar_type()) : up;
  }
  static at::Tensor with_bias(const at::Tensor& x, const Param& bias) {
    return bias ? x + bias.compute().to(x.scalar_type()) : x;
  }

  std::int64_t d_model_;
  std::int64_t width_;
  std::string site_;
  bool recompute_;
  std::unique_ptr<Activation> activation_;
  Linear up_;
  Param up_scale_, up_bias_;
  std::unique_ptr<Norm> hidden_norm_;
  Linear down_;
  Param down_bias_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  at::Tensor hidden = at::linear(x, params.at("up.weight"));
  if (config.hidden_scale) hidden = hidden * params.at("up.scale");
  if (config.bias) hidden = hidden + params.at("up.bias");
  hidden = config.activation.entry().reference(config.activation.settings(), hidden);
  const at::Tensor y = at::linear(hidden, params.at("down.weight"));
  return config.bias ? y + params.at("down.bias") : y;
}

std::vector<Sample> samples(const Families& families) {
  std::vector<Sample> out;
  for (const char* name : {"gelu", "relu2", "silu"}) {
    Config config;
    config.activation = make_variant<ActivationEntry>(families, name);
    out.push_back({name, std::make_shared<ConfigBox<Config>>(config)});
  }
  Config config;
  config.activation = make_variant<ActivationEntry>(families, "gelu");
  config.width = Width::of(20);
  config.bias = true;
  out.push_back({"bias", std::make_shared<ConfigBox<Config>>(config)});
  config.hidden_scale = true;
  out.push_back({"scaled", std::make_shared<ConfigBox<Config>>(config)});
  return out;
}

}  // namespace mlp

void register_mlp(Family<FfnEntry>& family) {
  using namespace mlp;
  auto& e = add_entry<Config, Mlp>(family, "mlp", "One projection in, an activation, one projection out.",
                                   "Vaswani et al. 2017, arXiv:1706.03762");
  e.effective = effective_settings(with_width_resolved<Config>);
  e.sites = {Site::kHidden};
  e.samples = mlp::samples;
}

}  // namespace ingot
