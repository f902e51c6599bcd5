// TinyInit: one small standard deviation that falls with width and depth.
//
//   W ~ N(0, 1 / (2 D N))   D: width of the stream, N: blocks of two residual branches
//   W ~ N(0, 0.5²)          embedding, unless it is the head too: logits would start far from 0
//
// Yin et al. 2025, "Pangu Ultra", arXiv:2504.07866, section 2.2.

#include "params/init_parts.h"

namespace ingot {
namespace tiny_init {
namespace {

struct Config {
  double embedding_std = 0.5;
};

void describe(Fields& f, Config& c) {
  f.field("embedding_std", c.embedding_std, "standard deviation of an embedding that is not the head too",
          Rule{}.at_least(0));
}

inits::Draw draw(const Config& c, const ParamInfo& info, const InitContext& context) {
  const bool embeds = info.roles.has(Role::kEmbedding) && !info.roles.has(Role::kHead);
  return embeds ? c.embedding_std : 1 / std::sqrt(inits::stream_width(info) * context.branches());
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true, .width = true}; }

}  // namespace
}  // namespace tiny_init

void register_tiny_init(Family<InitEntry>& family) {
  inits::add_drawn<tiny_init::Config>(family, "tiny_init", "Normal values of variance 1 / (2 d_model blocks).",
                                      "Yin et al. 2025, arXiv:2504.07866, section 2.2", {"{embedding_std: 0.1}"});
}

}  // namespace ingot
