// ZerO: zeros and ones, up to a factor, and nothing that is random between embedding and head.
//
//   W = 0                           what writes the stream, and the head where it is not tied
//   W = I*                          other matrices with out <= in: ones where row and column have the same number
//   W = 2^(-m/2) I* H_m I*          those with out > in; m = ceil(log2 out), H_m: Sylvester's Hadamard matrix
//       W[i, j] = 2^(-m/2) (-1)^(number of ones in the binary numbers i and j both)
//   W ~ N(0, 1 / D)                 embedding, unless the module fixes it: all tokens but the first D would be alike
//
// The Hadamard matrix is what lets training leave the space of the first `in` coordinates, which a partial identity
// alone never does. Where out is no power of 2 the columns are shorter than 1: their length is sqrt(out / 2^m). Longer
// shapes count as [out, the rest].
//
// Zhao, Schäfer & Anandkumar 2022, "ZerO Initialization", arXiv:2110.12661, algorithm 1. Its text has the factor
// 2^(-(m-1)/2); the released code has the one above, which makes the columns of an isometry. The paper's networks end
// branches in zeros; what it does inside attention is not published in code. Here heads of q and k get coordinates of
// their own each.

#include <ATen/ops/empty.h>

#include <bit>

#include "params/init_parts.h"

namespace ingot {
namespace zero_init {
namespace {

/// The smallest m with 2^m >= n.
int log2_above(std::int64_t n) { return std::bit_width(static_cast<std::uint64_t>(n - 1)); }

class Zero final : public Init {
 public:
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    if (is_drawn(info)) return inits::Draw(inits::table_std(info)).fill(weight, info, random);
    weight.zero_();
    if (info.roles.any({Role::kHead, Role::kWritesStream})) return;
    const auto out = weight.size(0), in = weight.numel() / out;
    if (out <= in) return void(weight.view({out, in}).fill_diagonal_(1));
    at::Tensor matrix = at::empty({out, in}, at::kDouble);
    auto* value = matrix.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < out; ++i) {
      for (std::int64_t j = 0; j < in; ++j) {
        const bool is_odd = std::popcount(static_cast<std::uint64_t>(i & j)) % 2 == 1;
        *value++ = is_odd ? -factor(out) : factor(out);
      }
    }
    weight.copy_(matrix.view(weight.sizes()));
  }
  std::string text(const ParamInfo& info) const override {
    if (is_drawn(info)) return inits::Draw(inits::table_std(info)).text();
    if (info.roles.any({Role::kHead, Role::kWritesStream})) return "zeros";
    const auto out = info.shape[0];
    return out <= info.numel() / out ? "identity" : cat("hadamard x ", format_double(factor(out)));
  }
  bool scales_with_width() const override { return true; }

 private:
  static bool is_drawn(const ParamInfo& info) { return info.roles.any({Role::kEmbedding, Role::kMeta}); }
  static double factor(std::int64_t out) { return std::pow(2.0, -log2_above(out) / 2.0); }
};

}  // namespace
}  // namespace zero_init

void register_zero(Family<InitEntry>& family) {
  add_init<NoSettings, zero_init::Zero>(family, "zero",
                                        "ZerO: zeros where branches end, identities and Hadamard matrices elsewhere.",
                                        "Zhao et al. 2022, arXiv:2110.12661, algorithm 1");
}

}  // namespace ingot
