// GEGLU feed-forward: y = W_down (gelu(W_gate x) ⊙ W_up x)
//
//   x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases; `hidden_scale` as in nn/gated_ffn.h. With `tanh` the
//   approximation of gelu that T5 and Gemma use.
//   Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202, eq. 6.

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>

#include "config/fields.h"
#include "nn/gated_ffn.h"
#include "registry/add_entry.h"

namespace ingot {
namespace geglu {

struct Config : gated_ffn::Settings {
  bool tanh = false;
};

void describe(Fields& f, Config& c) {
  describe(f, static_cast<gated_ffn::Settings&>(c));
  f.field("tanh", c.tanh, "whether the tanh approximation of GELU is used");
}

at::Tensor act(const at::Tensor& gate, bool tanh) { return at::gelu(gate, tanh ? "tanh" : "none"); }

class Geglu final : public gated_ffn::PlainGatedFfn {
 public:
  Geglu(const Config& config, const BranchContext& context) : PlainGatedFfn(config, context, 9), tanh_(config.tanh) {}

 private:
  at::Tensor activated(const at::Tensor& gate) const override { return act(gate, tanh_); }

  bool tanh_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return gated_ffn::reference(
      config, x, params, [&](const at::Tensor& gate, const at::Tensor& up) { return act(gate, config.tanh) * up; });
}

}  // namespace geglu

void register_geglu(Family<FfnEntry>& family) {
  using namespace geglu;
  auto& e =
      add_entry<Config, Geglu>(family, "geglu", "Two projections in, one of them through GELU as a gate, one out.",
                               "Shazeer 2020, arXiv:2002.05202");
  e.effective = effective_settings(with_width_resolved<Config>);
  e.sites = {Site::kHidden};
  e.samples = named_samples<Config>(
      {{"erf", {{Width::of(20), 1, true}, false}}, {"tanh", {{Width::times(8, 3), 16, false}, true}}});
}

}  // namespace ingot
