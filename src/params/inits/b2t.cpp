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

class B2t final : public Init {
 public:
  explicit B2t(const InitContext& context) : blocks_(std::max(1, context.num_sublayers) / 2.0) {}

  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    if (inits::is_token_table(info)) return normal_init(table_std(info))(weight, info, random);
    uniform_init(-bound(info), bound(info))(weight, info, random);
  }
  std::string text(const ParamInfo& info) const override {
    if (inits::is_token_table(info)) return cat("normal(0, ", format_double(table_std(info)), ")");
    return cat("uniform(", format_double(-bound(info)), ", ", format_double(bound(info)), ")");
  }
  bool scales_with_depth() const override { return true; }
  bool scales_with_width() const override { return true; }

 private:
  static double table_std(const ParamInfo& info) { return 1 / std::sqrt(inits::stream_width(info)); }
  /// Of the uniform values; their deviation is this over sqrt(3).
  double bound(const ParamInfo& info) const {
    const double shrink = 1 / std::sqrt(blocks_);
    if (inits::is_ffn_part(info.part)) return shrink / std::sqrt(static_cast<double>(info.fan_in));
    const double gain = info.roles.has(Role::kWritesStream) ? 1 : std::sqrt(0.5);
    return shrink * gain * std::sqrt(3.0) * inits::xavier_std(info);
  }

  double blocks_;
};

}  // namespace
}  // namespace b2t_init

void register_b2t(Family<InitEntry>& family) {
  add_init<NoSettings, b2t_init::B2t>(
      family, "b2t", "Uniform values as wide as the fans say, divided by the root of the number of blocks.",
      "Takase et al. 2022, arXiv:2206.00330, released code");
}

}  // namespace ingot
