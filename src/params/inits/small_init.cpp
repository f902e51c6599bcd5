// SmallInit: attention matrices as Xavier's rule would have a feed-forward of four times the width.
//
//   W ~ N(0, 2 / (5 D))              matrices of mixers; D: width of the stream
//   W ~ N(0, 2 / (fan_in + fan_out)) matrices of the ffn: the same for an inner width of 4 D
//   W ~ N(0, 1 / D)                  embedding and head; tokens' embeddings times sqrt(D): it brings
//                                    `model.embedding_factor: sqrt_d_model`, unless the config sets another
//   depth_scaled: what writes the stream is divided by sqrt(S), S: residual branches, as in HybridNorm
//   (arXiv:2503.04598)
//
// Nguyen & Salazar 2019, "Transformers without Tears", arXiv:1910.05895, section 3.2.

#include "params/init_parts.h"

namespace ingot {
namespace small_init {
namespace {

struct Config {
  bool depth_scaled = false;
};

void describe(Fields& f, Config& c) {
  f.field("depth_scaled", c.depth_scaled,
          "whether matrices that write to the stream are divided by the root of the number of sub-layers");
}

inits::Draw draw(const Config& c, const ParamInfo& info, const InitContext& context) {
  if (inits::is_token_table(info)) return inits::table_std(info);
  const double std =
      inits::is_ffn_part(info.part) ? inits::xavier_std(info) : std::sqrt(2 / (5 * inits::stream_width(info)));
  const bool is_scaled = c.depth_scaled && info.roles.has(Role::kWritesStream);
  return is_scaled ? std / std::sqrt(context.branches()) : std;
}
inits::Follows follows(const Config& c) { return {.depth = c.depth_scaled, .width = true}; }

}  // namespace
}  // namespace small_init

void register_small_init(Family<InitEntry>& family) {
  inits::add_drawn<small_init::Config>(family, "small_init", "Normal values of variance 2 / (5 d_model).",
                                       "Nguyen & Salazar 2019, arXiv:1910.05895, section 3.2", {"{depth_scaled: true}"})
      .scales_embedding = true;
}

}  // namespace ingot
