// B2T: post-norm with a connection around both norms of a block: y = norm(x + mixer(x)), x' = norm(x + y + ffn(y)). No
// final norm.
//
//   The connection is the residual rule `b2t`, the start values are those of the init `b2t`. Takase et al. 2022, "B2T
//   Connection: Serving Stability and Performance in Deep Transformers", arXiv:2206.00330, eq. 6.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace b2t_placement {

struct Config {
  Bundle bundle = Bundle::kPublished;
};

void describe(Fields& f, Config& c) { f.field("bundle", c.bundle, kBundleHelp); }

class B2t final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override { return depth >= 0 && site == Site::kStream; }
  std::string formula(int /*depth*/) const override { return "norm(x + f(x))"; }
};

}  // namespace b2t_placement

void register_b2t(Family<PlacementEntry>& family) {
  auto& e = add_entry<b2t_placement::Config, b2t_placement::B2t>(
      family, "b2t", "Post-norm with the input of a block added once more before the block's last norm.",
      "Takase et al. 2022, arXiv:2206.00330");
  e.bundle = published<b2t_placement::Config>({"b2t", "b2t"});
  e.counts_blocks = true;
  e.samples = {"{bundle: sites_only}"};
}

}  // namespace ingot
