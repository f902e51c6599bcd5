// The init of Sub-LayerNorm: Xavier's rule, with a gain above 1 for what decides the size of an update. A second norm
// in front of each output matrix holds activations in place, so that the gain may grow with the depth.
//
//   W ~ N(0, γ² 2 / (fan_in + fan_out))  v, o and the ffn; in recurrent mixers x (their values) and out;
//                                        γ = sqrt(ln S) = sqrt(ln 2N)
//   W ~ N(0, 2 / (fan_in + fan_out))     q, k and what else makes weights of mixing
//   W ~ N(0, 1 / D)                      embedding and head
//   S = 2N: residual branches, 2 at least.
//
// Wang et al. 2022, "Foundation Transformers" (Magneto), arXiv:2210.06423, decoder-only; torchscale's decoder has the
// same factor, on its own start values. It goes with a norm in front of each output matrix: sites `head` of attention
// and `hidden` of the ffn.

#include "params/init_parts.h"

namespace ingot {
namespace sub_ln_init {
namespace {

struct Config : NoSettings {};

inits::Draw draw(const Config& /*c*/, const ParamInfo& info, const InitContext& context) {
  if (inits::is_token_table(info)) return inits::table_std(info);
  const double gamma = std::sqrt(std::log(std::max(2.0, context.branches())));
  return inits::xavier_std(info) * (inits::carries_values(info.part) ? gamma : 1);
}
inits::Follows follows(const Config& /*c*/) { return {.width = true}; }  // with the depth they grow

}  // namespace
}  // namespace sub_ln_init

void register_sub_ln(Family<InitEntry>& family) {
  inits::add_drawn<sub_ln_init::Config>(
      family, "sub_ln", "Xavier's rule with gain sqrt(ln S) for values, outputs and the ffn; S: number of sub-layers.",
      "Wang et al. 2022, arXiv:2210.06423");
}

}  // namespace ingot
