// DeepNorm's init: Xavier's rule, with a gain below 1 for what decides the size of an update.
//
//   W ~ N(0, β² 2 / (fan_in + fan_out))  v, o and the ffn; in recurrent mixers x (their values) and out; β = (4S)^-1/4
//                                        = (8N)^-1/4
//   W ~ N(0, 2 / (fan_in + fan_out))     q, k and what else makes weights of mixing
//   W ~ N(0, 1 / D)                      embedding and head
//   S = 2N: residual branches.
//
// Wang et al. 2022, "DeepNet: Scaling Transformers to 1,000 Layers", arXiv:2203.00555, figure 2 (decoder-only).

#include "params/init_parts.h"

namespace ingot {
namespace deepnorm_init {
namespace {

struct Config : NoSettings {};

inits::Draw draw(const Config& /*c*/, const ParamInfo& info, const InitContext& context) {
  if (inits::is_token_table(info)) return inits::table_std(info);
  const double beta = std::pow(4 * context.branches(), -0.25);
  return inits::xavier_std(info) * (inits::carries_values(info.part) ? beta : 1);
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true, .width = true}; }

}  // namespace
}  // namespace deepnorm_init

void register_deepnorm(Family<InitEntry>& family) {
  inits::add_drawn<deepnorm_init::Config>(
      family, "deepnorm", "Xavier's rule with gain (4S)^-1/4 for values, outputs and the ffn; S: number of sub-layers.",
      "Wang et al. 2022, arXiv:2203.00555");
}

}  // namespace ingot
