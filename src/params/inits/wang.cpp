// Wang's init, as GPT-J and GPT-NeoX have it: SmallInit, and smaller with the depth where a branch ends.
//
//   W ~ N(0, (2 / (N sqrt(D)))²)  matrices that write the stream; N: blocks of two residual branches
//   W ~ N(0, 2 / (5 D))           elsewhere, embedding and head included; D: width of the stream
//
// Wang & Komatsuzaki 2021, mesh-transformer-jax; Black et al. 2022, "GPT-NeoX-20B", arXiv:2204.06745, section 2.1.

#include "params/init_parts.h"

namespace ingot {
namespace wang {
namespace {

struct Config : NoSettings {};

inits::Draw draw(const Config& /*c*/, const ParamInfo& info, const InitContext& context) {
  const double width = inits::stream_width(info);
  return info.roles.has(Role::kWritesStream) ? 2 / (context.blocks() * std::sqrt(width)) : std::sqrt(2 / (5 * width));
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true, .width = true}; }

}  // namespace
}  // namespace wang

void register_wang(Family<InitEntry>& family) {
  inits::add_drawn<wang::Config>(
      family, "wang", "SmallInit, with deviation 2 / (blocks sqrt(d_model)) in the last matrix of each branch.",
      "Black et al. 2022, arXiv:2204.06745, section 2.1");
}

}  // namespace ingot
