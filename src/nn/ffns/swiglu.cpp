// SwiGLU feed-forward: y = W_down (silu(W_gate x) ⊙ W_up x)
//
//   x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases; `hidden_scale` as in nn/gated_ffn.h. With `clamp` c,
//   silu(min(W_gate x, c)) ⊙ clamp(W_up x, -c, c), which keeps single channels from growing without bound: the limits
//   that gpt-oss calls swiglu_limit (7), without its other changes of the gate.
//   Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202, eq. 6; OpenAI 2025, "gpt-oss-120b & gpt-oss-20b
//   Model Card", arXiv:2508.10925, section 2.2.

#include "ops/swiglu/swiglu.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>

#include <optional>

#include "config/fields.h"
#include "nn/gated_ffn.h"
#include "registry/add_entry.h"

namespace ingot {
namespace swiglu {

struct Config : gated_ffn::Settings {
  std::optional<double> clamp;
};

void describe(Fields& f, Config& c) {
  describe(f, static_cast<gated_ffn::Settings&>(c));
  f.field("clamp", c.clamp, "the limit of what is multiplied; absent: none", Rule{}.above(0));
}

class Swiglu final : public gated_ffn::GatedFfn {
 public:
  Swiglu(const Config& config, const BranchContext& context) : GatedFfn(config, context, 5), clamp_(config.clamp) {}

 private:
  at::Tensor product(const at::Tensor& gate_up) const override {
    if (!clamp_) return ops::swiglu(gate_up);
    const std::vector<at::Tensor> halves = gate_up.chunk(2, -1);
    return ops::swiglu(at::cat({halves[0].clamp_max(*clamp_), halves[1].clamp(-*clamp_, *clamp_)}, -1));
  }

  std::optional<double> clamp_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return gated_ffn::reference(config, x, params, [&](const at::Tensor& gate, const at::Tensor& up) {
    if (!config.clamp) return at::silu(gate) * up;
    return at::silu(gate.clamp_max(*config.clamp)) * up.clamp(-*config.clamp, *config.clamp);
  });
}

}  // namespace swiglu

void register_swiglu(Family<FfnEntry>& family) {
  using namespace swiglu;
  auto& e =
      add_entry<Config, Swiglu>(family, "swiglu", "Two projections in, one of them through SiLU as a gate, one out.",
                                "Shazeer 2020, arXiv:2002.05202");
  e.effective = effective_settings(with_width_resolved<Config>);
  e.sites = {Site::kHidden};
  e.samples = named_samples<Config>({{"3x", {{Width::times(3), 1, false}, {}}},
                                     {"rounded", {{Width::times(8, 3), 16, false}, {}}},
                                     {"number", {{Width::of(20), 1, false}, {}}},
                                     {"scaled", {{Width::of(20), 1, true}, {}}},
                                     {"clamped", {{Width::of(20), 1, false}, 0.5}}});
}

}  // namespace ingot
