// ReGLU feed-forward: y = W_down (max(W_gate x, 0) ⊙ W_up x)
//
//   x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases; `hidden_scale` as in nn/gated_ffn.h.
//   Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202, eq. 6.

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>

#include "config/fields.h"
#include "nn/gated_ffn.h"
#include "registry/add_entry.h"

namespace ingot {
namespace reglu {

struct Config : gated_ffn::Settings {};

at::Tensor act(const at::Tensor& gate) { return at::relu(gate); }

class Reglu final : public gated_ffn::PlainGatedFfn {
 public:
  Reglu(const Config& config, const BranchContext& context) : PlainGatedFfn(config, context, 2) {}

 private:
  at::Tensor activated(const at::Tensor& gate) const override { return act(gate); }
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return gated_ffn::reference(config, x, params,
                              [&](const at::Tensor& gate, const at::Tensor& up) { return act(gate) * up; });
}

}  // namespace reglu

void register_reglu(Family<FfnEntry>& family) {
  using namespace reglu;
  auto& e =
      add_entry<Config, Reglu>(family, "reglu", "Two projections in, one of them through ReLU as a gate, one out.",
                               "Shazeer 2020, arXiv:2002.05202");
  e.effective = effective_settings(with_width_resolved<Config>);
  e.sites = {Site::kHidden};
  e.samples = named_samples<Config>({{"default", {}}, {"scaled", {{Width::of(20), 1, true}}}});
}

}  // namespace ingot
