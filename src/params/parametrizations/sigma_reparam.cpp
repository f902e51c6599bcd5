// σReparam: the weight over its largest singular value, times a learned number.
//
//   W = (γ / σ) w      dγ = <dW, w> / σ      dw = (γ / σ) (dW - (<dW, w> / σ) u vᵀ)
//
// w [out, in], γ [1]; σ = uᵀ w v with vectors u [out], v [in] of power iteration, which count as constants in the
// gradient (params/power_iteration.h). The largest singular value of W is then γ, which grows slowly, and with it the
// entropy of attention stays above a bound that falls exponentially in the spectral norms of queries and keys.
// Zhai et al. 2023, "Stabilizing Transformer Training by Preventing Attention Entropy Collapse", arXiv:2303.06296,
// equation 4. The authors' code starts with γ = σ (vision, and language models as its README says), so that the first
// weight is that of the init, or with γ = 1 (speech); u and v come from a full decomposition there. Decay of w would
// change the size of its steps alone, so that it acts on γ.

#include <ATen/TensorOperators.h>

#include "params/gain_start.h"
#include "params/power_iteration.h"

namespace ingot::sigma_reparam {
namespace {

struct SigmaReparamConfig : power_iteration::Settings {
  GainStart start = GainStart::kWeight;
};

void describe(Fields& f, SigmaReparamConfig& c) {
  describe(f, c.start);
  describe(f, static_cast<power_iteration::Settings&>(c));
}

class SigmaReparam final : public power_iteration::OverSigma {
 public:
  explicit SigmaReparam(const SigmaReparamConfig& config) : OverSigma(config), start_(config.start) {}

  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    auto specs = OverSigma::masters(info);
    specs.front().decays = false;
    specs.insert(specs.begin() + 1, {".gamma", {1}});
    return specs;
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& m) const override {
    OverSigma::assign(weight, m);
    if (start_ == GainStart::kWeight) {
      m[1].copy_(sigma_of(m));
    } else {
      m[1].fill_(1);
    }
  }
  bool can_assign() const override { return start_ == GainStart::kWeight; }

 private:
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override { return m[0] * (m[1] / sigma_of(m)); }

  GainStart start_;
};

}  // namespace
}  // namespace ingot::sigma_reparam

namespace ingot {

void register_sigma_reparam(Family<ParametrizationEntry>& family) {
  add_parametrization<sigma_reparam::SigmaReparamConfig, sigma_reparam::SigmaReparam>(
      family, "sigma_reparam", "The weight over its largest singular value, times a learned number.",
      "Zhai et al. 2023, arXiv:2303.06296", {"{start: one, iterations: 2, embeddings: true}"});
}

}  // namespace ingot
