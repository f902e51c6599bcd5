// ScaleNorm: y = gain · x / max(‖x‖, eps)
//
//   x [..., d]; gain is one number, starting at sqrt(d). The length in fp32, one rounding.
//   Nguyen & Salazar 2019, "Transformers without Tears", arXiv:1910.05895.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace scale_norm {

struct Config {
  double eps = 1e-5;
};

void describe(Fields& f, Config& c) { f.field("eps", c.eps, "a smaller length counts as this", Rule{}.above(0)); }

class ScaleNorm final : public norms::ClosedFormNorm {
 public:
  ScaleNorm(const Config& config, const NormContext& context) : eps_(config.eps) {
    ParamSpec spec = norms::scalar_spec("gain", context.gain_start * std::sqrt(static_cast<double>(context.width)));
    spec.roles = {Role::kGain, Role::kScalar};
    gain_ = context.scope.declare(spec);
  }

 private:
  static at::Tensor length(const at::Tensor& x) { return x.square().sum(-1, true).sqrt(); }
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& /*inner*/) const override {
    return x / length(x).clamp_min(eps_);
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& n,
                           const norms::Tensors& /*inner*/) const override {
    const at::Tensor l = length(x);
    const at::Tensor turned = g - n * (n * g).sum(-1, true);
    return {at::where(l > eps_, turned, g) / l.clamp_min(eps_)};
  }

  double eps_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  return (params.at("gain") * (w / at::linalg_vector_norm(w, 2, -1, true).clamp_min(config.eps))).to(x.scalar_type());
}

}  // namespace scale_norm

void register_scale_norm(Family<NormEntry>& family) {
  using namespace scale_norm;
  auto& e = add_entry<Config, ScaleNorm>(family, "scale_norm", "Scales each vector to one learned length.",
                                         "Nguyen & Salazar 2019, arXiv:1910.05895");
  e.flops_per_element = 3;
  // The second: rows of the conformance tests lie on both sides of eps.
  e.samples = named_samples<Config>({{"default", {}}, {"floor", {3}}});
}

}  // namespace ingot
