// KEEL: x_{n+1} = norm_2(alpha x_n + f_n(norm_1(x_n))) with alpha = S, the number of sub-layers; no final norm.
//
//   In the first block alpha is 1, and its mixer has no outer norm. Gains without biases; larger learning rates than
//   pre-norm. "Post-LayerNorm Is Back: Stable, ExpressivE, and Deep", arXiv:2601.19895.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace keel {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Keel final : public Placement {
 public:
  explicit Keel(const PlacementContext& context) : num_sublayers_(context.num_sublayers) {}

  bool has_norm(Site site, int depth) const override {
    return depth >= 0 && (site == Site::kInput || (site == Site::kStream && depth > 0));
  }
  double skip_scale(int depth) const override { return block_of(depth) == 0 ? 1 : num_sublayers_; }
  std::string formula(int depth) const override { return depth == 0 ? "x + f(norm(x))" : "norm(skip x + f(norm(x)))"; }

 private:
  int num_sublayers_;
};

}  // namespace keel

void register_keel(Family<PlacementEntry>& family) {
  auto& e = add_entry<keel::Config, keel::Keel>(
      family, "keel", "Post-norm with a skip path scaled by the depth and a norm before every sub-layer.",
      "arXiv:2601.19895");
  e.counts_blocks = true;
}

}  // namespace ingot
