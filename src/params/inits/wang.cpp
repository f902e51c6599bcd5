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

class Wang final : public inits::NormalBy {
 public:
  explicit Wang(const InitContext& context) : blocks_(std::max(1, context.num_sublayers) / 2.0) {}
  bool scales_with_depth() const override { return true; }
  bool scales_with_width() const override { return true; }

 private:
  double std_of(const ParamInfo& info) const override {
    const double width = inits::stream_width(info);
    return info.roles.has(Role::kWritesStream) ? 2 / (blocks_ * std::sqrt(width)) : std::sqrt(2 / (5 * width));
  }

  double blocks_;
};

}  // namespace
}  // namespace wang

void register_wang(Family<InitEntry>& family) {
  add_init<NoSettings, wang::Wang>(
      family, "wang", "SmallInit, with deviation 2 / (blocks sqrt(d_model)) in the last matrix of each branch.",
      "Black et al. 2022, arXiv:2204.06745, section 2.1");
}

}  // namespace ingot
