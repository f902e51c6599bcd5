#include "nn/norm_parts.h"

#include <ATen/ExpandUtils.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/text.h"

namespace ingot::norms {

at::Tensor wide(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

at::Tensor row_mean(const at::Tensor& x) { return x.mean(-1, true); }

at::Tensor root_mean_square(const at::Tensor& x, double eps) { return (row_mean(x.square()) + eps).sqrt(); }

at::Tensor rms_gradient(const at::Tensor& g, const at::Tensor& x, const at::Tensor& s) {
  return (g - x * (row_mean(g * x) / s.square())) / s;
}

at::Tensor over_partial_rms(const at::Tensor& x, std::int64_t k, double eps) {
  return x / (root_mean_square(x.narrow(-1, 0, k), 0) + eps);
}

at::Tensor partial_rms_gradient(const at::Tensor& g, const at::Tensor& x, std::int64_t k, double eps) {
  const at::Tensor first = x.narrow(-1, 0, k);
  const at::Tensor r = root_mean_square(first, 0);
  const at::Tensor slope = (g * x).sum(-1, true) / (static_cast<double>(k) * r * (r + eps).square());
  const at::Tensor pull = first * at::where(r > 0, slope, at::zeros_like(slope));
  const at::Tensor direct = g / (r + eps);
  return at::cat({direct.narrow(-1, 0, k) - pull, direct.narrow(-1, k, x.size(-1) - k)}, -1);
}

ParamSpec scalar_spec(std::string name, double start) {
  return {std::move(name), {1}, Role::kScalar, "", -1, constant_init(start), cat("constant(", start, ")")};
}

ParamSpec vector_spec(std::string name, std::int64_t width, double start) {
  ParamSpec spec = gain_spec(std::move(name), width);
  spec.fixed_init = constant_init(start);
  spec.fixed_init_name = start == 1 ? "ones" : start == 0 ? "zeros" : cat("constant(", start, ")");
  return spec;
}

struct ClosedFormFunction : torch::autograd::Function<ClosedFormFunction> {
  /// Undefined tensors are not let into lists, so gain and bias are optional arguments of their own.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const ClosedFormNorm* norm,
                            at::ScalarType out_type, const at::Tensor& x, const std::optional<at::Tensor>& gain,
                            const std::optional<at::Tensor>& bias, at::TensorList inner) {
    Tensors saved{x, gain.value_or(at::Tensor()), bias.value_or(at::Tensor())};
    saved.insert(saved.end(), inner.begin(), inner.end());
    context->save_for_backward(saved);
    context->saved_data["norm"] = reinterpret_cast<std::int64_t>(norm);
    return evaluate(norm, out_type, x, saved[1], saved[2], inner.vec());
  }

  static at::Tensor evaluate(const ClosedFormNorm* norm, at::ScalarType out_type, const at::Tensor& x,
                             const at::Tensor& gain, const at::Tensor& bias, const Tensors& inner) {
    at::Tensor y = norm->normalise(wide(x).contiguous(), inner);
    if (gain.defined()) y = y * gain;
    if (bias.defined()) y = y + bias;
    return y.to(out_type);
  }

  static Tensors backward(torch::autograd::AutogradContext* context, const Tensors& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "norms have no second derivative");
    const auto* norm = reinterpret_cast<const ClosedFormNorm*>(context->saved_data["norm"].toInt());
    const Tensors saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1], &bias = saved[2];
    const Tensors inner(saved.begin() + 3, saved.end());
    const at::Tensor w = wide(x).contiguous();
    const at::Tensor n = norm->normalise(w, inner);
    const at::Tensor d = wide(dy[0]);
    Tensors out(3);  // the norm and the type have no gradient; x's comes last
    if (gain.defined())
      out.push_back(at::sum_to(d * n, gain.sizes()));
    else
      out.emplace_back();
    out.push_back(bias.defined() ? at::sum_to(d, bias.sizes()) : at::Tensor());
    const Tensors gradients = norm->gradients(gain.defined() ? d * gain : d, w, n, inner);
    out[2] = gradients[0].to(x.scalar_type());
    for (std::size_t i = 0; i < inner.size(); ++i) out.push_back(at::sum_to(gradients[i + 1], inner[i].sizes()));
    return out;
  }
};

namespace {

std::optional<at::Tensor> if_defined(const at::Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; }

}  // namespace

at::Tensor ClosedFormNorm::apply(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias,
                                 const NormInput& input) const {
  Tensors inner;
  for (const Param& param : inner_) inner.push_back(param.compute());
  const at::ScalarType type = input.out_type.value_or(x.scalar_type());
  if (!at::GradMode::is_enabled()) return ClosedFormFunction::evaluate(this, type, x, gain, bias, inner);
  return ClosedFormFunction::apply(this, type, x, if_defined(gain), if_defined(bias), at::TensorList(inner));
}

at::Tensor ClosedFormNorm::forward(const at::Tensor& x, const NormInput& input) const {
  return apply(x, gain_ ? gain_.compute() : at::Tensor(), bias_ ? bias_.compute() : at::Tensor(), input);
}

at::Tensor with_affine(const at::Tensor& n, const ParamMap& params) {
  at::Tensor y = n;
  if (const auto gain = params.find("gain"); gain != params.end()) y = y * gain->second;
  if (const auto bias = params.find("bias"); bias != params.end()) y = y + bias->second;
  return y;
}

}  // namespace ingot::norms
