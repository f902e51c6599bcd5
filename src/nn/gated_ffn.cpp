#include "nn/gated_ffn.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>

#include "config/fields.h"
#include "config/limits.h"

namespace ingot::gated_ffn {

void describe(Fields& f, Settings& c) {
  f.field("width", c.width, "inner width, or its ratio to d_model such as 3x or 8/3x");
  f.field("multiple_of", c.multiple_of, "a width given as a ratio is rounded up to a multiple of this",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("hidden_scale", c.hidden_scale, kHiddenScaleHelp);
}

GatedFfn::GatedFfn(const Settings& settings, const BranchContext& context, double product_flops)
    : d_model_(context.d_model),
      width_(settings.width.resolve(context.d_model, settings.multiple_of)),
      product_flops_(product_flops),
      recompute_(context.recompute == Recompute::kSelective) {
  gate_up_ = JoinedLinear(context, {reads_stream_spec("gate.weight", "gate", width_, d_model_),
                                    reads_stream_spec("up.weight", "up", width_, d_model_)});
  if (settings.hidden_scale) {
    gate_scale_ = context.scope.declare(gain_spec("gate.scale", width_));
    up_scale_ = context.scope.declare(gain_spec("up.scale", width_));
  }
  hidden_norm_ = make_site_norm(context, Site::kHidden, "hidden_norm", width_, 1);
  down_ = Linear(context, writes_stream_spec("down.weight", "down", d_model_, width_));
}

at::Tensor GatedFfn::forward(const at::Tensor& x, const SequenceContext& /*context*/) const {
  const auto hidden = [this](const std::vector<at::Tensor>& gate_up) {
    const at::Tensor gated = product(scaled(gate_up[0]));
    return normalised(hidden_norm_, gated);
  };
  return down_.forward(hidden, {gate_up_.forward_joined(x)}, recompute_);
}

std::vector<FlopItem> GatedFfn::flops() const {
  const double matrix = 2.0 * static_cast<double>(d_model_ * width_);
  return {
      {"gate", matrix}, {"up", matrix}, {"product", product_flops_ * static_cast<double>(width_)}, {"down", matrix}};
}

at::Tensor GatedFfn::scaled(const at::Tensor& gate_up) const {
  if (!gate_scale_) return gate_up;
  return (gate_up * at::cat({gate_scale_.compute(), up_scale_.compute()})).to(gate_up.scalar_type());
}

at::Tensor PlainGatedFfn::product(const at::Tensor& gate_up) const {
  const std::vector<at::Tensor> halves = gate_up.chunk(2, -1);
  return activated(halves[0]) * halves[1];
}

at::Tensor reference(const Settings& settings, const at::Tensor& x, const ParamMap& params,
                     const std::function<at::Tensor(const at::Tensor& gate, const at::Tensor& up)>& product) {
  at::Tensor gate = at::linear(x, params.at("gate.weight")), up = at::linear(x, params.at("up.weight"));
  if (settings.hidden_scale) {
    gate = gate * params.at("gate.scale");
    up = up * params.at("up.scale");
  }
  return at::linear(product(gate, up), params.at("down.weight"));
}

}  // namespace ingot::gated_ffn
