// Start values of the B2T release: fairseq's, divided by the root of the number of blocks.
//
//   W ~ U(-a, a)          a = N^-1/2 sqrt(6 / (fan_in + fan_out))   what a mixer writes the stream with
//                         a = N^-1/2 sqrt(3 / (fan_in + fan_out))   other matrices of mixers
//                         a = N^-1/2 fan_in^-1/2                    matrices of the ffn
//   W ~ N(0, 1 / D)       embedding and head
//   N: blocks of two residual branches
//
// Takase et al. 2022, "B2T Connection", arXiv:2206.00330, released code: Xavier's rule in attention with gain 2^-1/2
// for q, k and v, PyTorch's own start in the ffn, and every weight of a layer but those of norms times N^-1/2.

#include "params/init_parts.h"

namespace ingot {
namespace b2t_init {
namespace {

struct Config : NoSettings {};

inits::Draw draw(const Config& /*c*/, const ParamInfo& info, const InitContext& context) {
  if (inits::is_token_table(info)) return inits::table_std(info);
  const double shrink = 1 / std::sqrt(context.blocks());
  if (inits::is_ffn_part(info.part)) return inits::Draw::uniform(shrink / std::sqrt(static_cast<double>(info.fan_in)));
  const double gain = info.roles.has(Role::kWritesStream) ? 1 : std::sqrt(0.5);
  return inits::Draw::uniform(shrink * gain * std::sqrt(3.0) * inits::xavier_std(info));
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true, .width = true}; }

}  // namespace
}  // namespace b2t_init

void register_b2t(Family<InitEntry>& family) {
  inits::add_drawn<b2t_init::Config>(
      family, "b2t", "Uniform values as wide as the fans say, divided by the root of the number of blocks.",
      "Takase et al. 2022, arXiv:2206.00330, released code");
}

}  // namespace ingot
