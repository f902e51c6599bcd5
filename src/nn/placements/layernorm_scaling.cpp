// LayerNorm scaling: x_{n+1} = x_n + f_n(norm(x_n) / sqrt(l)), l = 1, 2, … the block of the sub-layer; a final norm,
// unscaled.
//
//   Sun et al. 2025, "The Curse of Depth in Large Language Models", arXiv:2502.05795, eq. 9. Meant for an init without
//   depth factors.

#include <cmath>

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace layernorm_scaling {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class LayernormScaling final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == Site::kInput : site == Site::kFinal;
  }
  double input_scale(int depth) const override { return 1 / std::sqrt(block_of(depth) + 1.0); }
  std::string formula(int /*depth*/) const override { return "x + f(norm(x) / sqrt(block))"; }
};

}  // namespace layernorm_scaling

void register_layernorm_scaling(Family<PlacementEntry>& family) {
  auto& e = add_entry<layernorm_scaling::Config, layernorm_scaling::LayernormScaling>(
      family, "layernorm_scaling", "Pre-norm whose output is divided by the square root of the block's number.",
      "Sun et al. 2025, arXiv:2502.05795");
  e.counts_blocks = true;
}

}  // namespace ingot
