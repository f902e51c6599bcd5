// Simple gated feed-forward: y = W_down (W_gate x ⊙ W_up x)
//
//   x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases, no activation: the product of the two projections is
//   what is not linear. `hidden_scale` as in nn/gated_ffn.h.
//   Qin et al. 2023, "TransNormerLLM", arXiv:2307.14995, section 3.1.4 (SGLU); Shazeer 2020, arXiv:2002.05202, eq. 5
//   ("bilinear").

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/gated_ffn.h"
#include "registry/add_entry.h"

namespace ingot {
namespace sglu {

struct Config : gated_ffn::Settings {};

at::Tensor act(const at::Tensor& gate) { return gate; }

class Sglu final : public gated_ffn::PlainGatedFfn {
 public:
  Sglu(const Config& config, const BranchContext& context) : PlainGatedFfn(config, context, 1) {}

 private:
  at::Tensor activated(const at::Tensor& gate) const override { return act(gate); }
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return gated_ffn::reference(config, x, params,
                              [&](const at::Tensor& gate, const at::Tensor& up) { return act(gate) * up; });
}

}  // namespace sglu

void register_sglu(Family<FfnEntry>& family) {
  using namespace sglu;
  auto& e = add_entry<Config, Sglu>(family, "sglu", "Two projections in, multiplied with each other, one out.",
                                    "Qin et al. 2023, arXiv:2307.14995");
  e.effective = effective_settings(with_width_resolved<Config>);
  e.sites = {Site::kHidden};
  e.samples = named_samples<Config>({{"default", {}}, {"scaled", {{Width::of(20), 1, true}}}});
}

}  // namespace ingot
