// CRMSNorm: y = z / sqrt((sum z² + (sum z)²) / d + eps),  z [..., d - 1]
//
//   z stands for a vector x [..., d] of mean zero whose last entry, -(sum of the others), is left out; y is what
//   LayerNorm without gain and bias makes of the entries that are left. Nothing is learned. Statistics in fp32, one
//   rounding.
//   Jiang et al. 2023, "Pre-RMSNorm and Pre-CRMSNorm Transformers", arXiv:2305.14858.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace crms_norm {

struct Config {
  double eps = 1e-5;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class CrmsNorm final : public norms::ClosedFormNorm {
 public:
  CrmsNorm(const Config& config, const NormContext& context)
      : eps_(config.eps), d_(static_cast<double>(context.width + 1)) {}

 private:
  at::Tensor root(const at::Tensor& z) const {
    return ((z.square().sum(-1, true) + z.sum(-1, true).square()) / d_ + eps_).sqrt();
  }
  at::Tensor normalise(const at::Tensor& z, const norms::Tensors& /*inner*/) const override { return z / root(z); }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& z, const at::Tensor& /*n*/,
                           const norms::Tensors& /*inner*/) const override {
    const at::Tensor s = root(z);
    const at::Tensor pull = (g * z).sum(-1, true) / (d_ * s.pow(3));
    return {g / s - pull * (z + z.sum(-1, true))};
  }

  double eps_, d_;
};

at::Tensor reference(const Config& config, const at::Tensor& z, const ParamMap& /*params*/) {
  const at::Tensor w = norms::wide(z);
  const at::Tensor x = at::cat({w, -w.sum(-1, true)}, -1);  // mean zero
  return (w / (x.square().mean(-1, true) + config.eps).sqrt()).to(z.scalar_type());
}

}  // namespace crms_norm

void register_crms_norm(Family<NormEntry>& family) {
  auto& e = add_entry<crms_norm::Config, crms_norm::CrmsNorm>(
      family, "crms_norm", "LayerNorm of a vector with mean 0, of which all entries but the last are given.",
      "Jiang et al. 2023, arXiv:2305.14858");
  e.has_gain = false;
  e.flops_per_element = 4;
}

}  // namespace ingot
