// Mix-LN: the first blocks post-norm, x_{n+1} = norm(x_n + f_n(x_n)), the others pre-norm, x_{n+1} = x_n +
// f_n(norm(x_n)).
//
//   The first floor(a N) of N blocks are post-norm; no extra norm lies between the two kinds; a final norm.
//   Li et al. 2024, "Mix-LN: Unleashing the Power of Deeper Layers by Combining Pre-LN and Post-LN", arXiv:2412.13795.

#include <cmath>

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace mix_ln {

struct Config {
  double post_fraction = 0.25;
};

void describe(Fields& f, Config& c) {
  f.field("post_fraction", c.post_fraction, "share of the blocks that are post-norm", Rule{}.at_least(0).at_most(1));
}

class MixLn final : public Placement {
 public:
  MixLn(const Config& config, const PlacementContext& context)
      : post_blocks_(static_cast<int>(std::floor(config.post_fraction * block_of(context.num_sublayers)))) {}

  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == (is_post(depth) ? Site::kStream : Site::kInput) : site == Site::kFinal;
  }
  std::string formula(int depth) const override { return is_post(depth) ? "norm(x + f(x))" : "x + f(norm(x))"; }

 private:
  bool is_post(int depth) const { return block_of(depth) < post_blocks_; }

  int post_blocks_;
};

}  // namespace mix_ln

void register_mix_ln(Family<PlacementEntry>& family) {
  auto& e = add_entry<mix_ln::Config, mix_ln::MixLn>(
      family, "mix_ln", "Post-norm in the first quarter of the blocks, pre-norm in the others.",
      "Li et al. 2024, arXiv:2412.13795");
  e.counts_blocks = true;
  e.samples = {"{post_fraction: 0.5}"};
}

}  // namespace ingot
