// DeepNorm's init: Xavier's rule, with a gain below 1 for what decides the size of an update.
//
//   W ~ N(0, β² 2 / (fan_in + fan_out))  v, o and the ffn; in recurrent mixers x (their values) and out; β = (4S)^-1/4
//                                        = (8N)^-1/4
//   W ~ N(0, 2 / (fan_in + fan_out))     q, k and what else makes weights of mixing
//   W ~ N(0, 1 / D)                      embedding and head
//   S = 2N: residual branches.
//
// Wang et al. 2022, "DeepNet: Scaling Transformers to 1,000 Layers", arXiv:2203.00555, figure 2 (decoder-only).

#include <algorithm>
#include <array>

#include "params/init_parts.h"

namespace ingot {
namespace deepnorm_init {
namespace {

class Deepnorm final : public inits::NormalBy {
 public:
  explicit Deepnorm(const InitContext& context) : beta_(std::pow(4.0 * std::max(1, context.num_sublayers), -0.25)) {}
  bool scales_with_depth() const override { return true; }
  bool scales_with_width() const override { return true; }

 private:
  static bool has_gain(const std::string& part) {
    constexpr std::array kParts = {"v", "o", "x", "out"};
    return inits::is_ffn_part(part) || std::find(kParts.begin(), kParts.end(), part) != kParts.end();
  }
  double std_of(const ParamInfo& info) const override {
    if (inits::is_token_table(info)) return 1 / std::sqrt(inits::stream_width(info));
    return inits::xavier_std(info) * (has_gain(info.part) ? beta_ : 1);
  }

  double beta_;
};

}  // namespace
}  // namespace deepnorm_init

void register_deepnorm(Family<InitEntry>& family) {
  add_init<NoSettings, deepnorm_init::Deepnorm>(
      family, "deepnorm", "Xavier's rule with gain (4S)^-1/4 for values, outputs and the ffn; S: number of sub-layers.",
      "Wang et al. 2022, arXiv:2203.00555");
}

}  // namespace ingot
