// T-Fixup: a transformer without norms and warm-up whose first update of Adam has a bounded effect, whatever the depth.
//
//   W ~ U(-b a, b a),  a = sqrt(6 / (fan_in + fan_out))
//       b = 0.67 N^-1/4                v, o and the ffn; in recurrent mixers x (their values) and out
//       b = 1 / sqrt(2)                q, k and what else makes weights of mixing
//   W ~ N(0, 1 / (D sqrt(9 N)))        embedding, and the head where it is tied; tokens' embeddings times sqrt(D): it
//                                      brings `model.embedding_factor: sqrt_d_model`, unless the config sets another
//   W ~ N(0, 1 / D)                    a head of its own
//   N: blocks of two residual branches
//
// Huang et al. 2020, "Improving Transformer Optimization Through Better Initialization", ICML, section 3.2, and the
// released code, whose queries and keys keep fairseq's gain 2^-1/2. The factors are those of its encoder, a stack of
// attention and ffn as here; (9 N)^-1/4 of its decoder counts a third branch in each block, which looks at the encoder.
// It goes with placement `none` and a schedule without warm-up.

#include "params/init_parts.h"

namespace ingot {
namespace t_fixup {
namespace {

struct Config : NoSettings {};

inits::Draw draw(const Config& /*c*/, const ParamInfo& info, const InitContext& context) {
  const double blocks = std::max(1.0, context.blocks());
  if (inits::is_token_table(info)) {
    return inits::table_std(info) * (info.roles.has(Role::kEmbedding) ? std::pow(9 * blocks, -0.25) : 1);
  }
  const double factor = inits::carries_values(info.part) ? 0.67 * std::pow(blocks, -0.25) : std::sqrt(0.5);
  return {inits::Distribution::kUniform, factor * inits::xavier_std(info)};
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true, .width = true}; }

}  // namespace
}  // namespace t_fixup

void register_t_fixup(Family<InitEntry>& family) {
  inits::add_drawn<t_fixup::Config>(
      family, "t_fixup",
      "Xavier's rule with gain 0.67 blocks^-1/4 for values, outputs and the ffn, for stacks without norms.",
      "Huang et al. 2020, ICML, section 3.2, released code")
      .scales_embedding = true;
}

}  // namespace ingot
