// ResiDual: post-norm p_{n+1} = norm(p_n + f_n(p_n)) beside the plain sum r_{n+1} = r_n + f_n(p_n); the head reads
// p + norm(r), the final norm.
//
//   The sum is kept by the residual rule `residual_dual`. Xie et al. 2023, "ResiDual: Transformer with Dual Residual
//   Connections", arXiv:2304.14802, section 3.1.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace residual_dual_placement {

struct Config {
  Bundle bundle = Bundle::kPublished;
};

void describe(Fields& f, Config& c) { f.field("bundle", c.bundle, kBundleHelp); }

class ResidualDual final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == Site::kStream : site == Site::kFinal;
  }
  std::string formula(int /*depth*/) const override { return "norm(x + f(x))"; }
};

}  // namespace residual_dual_placement

void register_residual_dual(Family<PlacementEntry>& family) {
  auto& e = add_entry<residual_dual_placement::Config, residual_dual_placement::ResidualDual>(
      family, "residual_dual",
      "Post-norm beside a plain sum of all branches, which a final norm adds to what the head reads.",
      "Xie et al. 2023, arXiv:2304.14802");
  e.bundle = published<residual_dual_placement::Config>({"residual_dual", ""});
  e.samples = {"{bundle: sites_only}"};
}

}  // namespace ingot
