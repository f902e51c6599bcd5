// Fixup: the last matrix of every branch starts at 0, the others so that one step of SGD changes the output by its
// learning rate, whatever the depth.
//
//   W = 0                      what writes the stream, and the head where it is not tied
//   W = S^(-1 / (2m-2)) W_x    the others, m: matrices on the way through the branch, S: residual branches
//   W_x ~ N(0, 2 / (fan_in + fan_out))
//   m = 4 in mixers: S^-1/6; m = 2 in the ffn: S^-1/2, which a gated ffn has on `up` alone
//   W ~ N(0, 1 / D)            embedding
//
// Zhang et al. 2019, "Fixup Initialization", arXiv:1901.09321, section 3. It goes with residual rule `fixup` and no
// norms.

#include "params/init_parts.h"

namespace ingot {
namespace fixup_init {
namespace {

struct Config : NoSettings {};

inits::Draw draw(const Config& /*c*/, const ParamInfo& info, const InitContext& context) {
  if (info.roles.any({Role::kEmbedding, Role::kMeta})) return inits::table_std(info);
  if (info.roles.any({Role::kHead, Role::kWritesStream})) return 0;
  const double exponent = info.part == "gate" ? 0 : info.part == "up" ? -1.0 / 2 : -1.0 / 6;
  return inits::xavier_std(info) * std::pow(context.branches(), exponent);
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true, .width = true}; }

}  // namespace
}  // namespace fixup_init

void register_fixup(Family<InitEntry>& family) {
  inits::add_drawn<fixup_init::Config>(
      family, "fixup", "Zeros in the last matrix of each branch; in the others Xavier's rule, smaller by the depth.",
      "Zhang et al. 2019, arXiv:1901.09321");
}

}  // namespace ingot
