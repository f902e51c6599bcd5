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

#include "config/fields.h"
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

class SmallInit final : public inits::NormalBy {
 public:
  SmallInit(const Config& config, const InitContext& context)
      : divisor_(config.depth_scaled && context.num_sublayers > 0 ? std::sqrt(context.num_sublayers) : 1) {}
  bool scales_with_depth() const override { return divisor_ != 1; }
  bool scales_with_width() const override { return true; }

 private:
  double std_of(const ParamInfo& info) const override {
    if (inits::is_token_table(info)) return 1 / std::sqrt(inits::stream_width(info));
    const double std =
        inits::is_ffn_part(info.part) ? inits::xavier_std(info) : std::sqrt(2 / (5 * inits::stream_width(info)));
    return info.roles.has(Role::kWritesStream) ? std / divisor_ : std;
  }

  double divisor_;
};

}  // namespace
}  // namespace small_init

void register_small_init(Family<InitEntry>& family) {
  add_init<small_init::Config, small_init::SmallInit>(
      family, "small_init", "Normal values of variance 2 / (5 d_model).",
      "Nguyen & Salazar 2019, arXiv:1910.05895, section 3.2", {"{depth_scaled: true}"})
      .scales_embedding = true;
}

}  // namespace ingot
