// DeepNorm: x_{n+1} = norm(α x_n + f_n(x_n)), α = S^1/4 = (2N)^1/4 for S = 2N sub-layers. No final norm.
//
//   With it goes an init whose gain is β = (4S)^-1/4 = (8N)^-1/4 for values, outputs and the ffn (init `deepnorm`).
//   Wang et al. 2022, "DeepNet: Scaling Transformers to 1,000 Layers", arXiv:2203.00555, figure 2 (decoder-only).

#include <cmath>

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace deepnorm_placement {

struct Config {
  Bundle bundle = Bundle::kPublished;
};

void describe(Fields& f, Config& c) { f.field("bundle", c.bundle, kBundleHelp); }

class Deepnorm final : public Placement {
 public:
  Deepnorm(const Config& config, const PlacementContext& context)
      : alpha_(config.bundle == Bundle::kPublished ? std::pow(context.num_sublayers, 0.25) : 1) {}

  bool has_norm(Site site, int depth) const override { return depth >= 0 && site == Site::kStream; }
  double skip_scale(int /*depth*/) const override { return alpha_; }
  std::string formula(int /*depth*/) const override { return alpha_ == 1 ? "norm(x + f(x))" : "norm(skip x + f(x))"; }

 private:
  double alpha_;
};

}  // namespace deepnorm_placement

void register_deepnorm(Family<PlacementEntry>& family) {
  auto& e = add_entry<deepnorm_placement::Config, deepnorm_placement::Deepnorm>(
      family, "deepnorm", "Post-norm with a skip path scaled by the depth and an init that shrinks with it.",
      "Wang et al. 2022, arXiv:2203.00555");
  e.bundle = published<deepnorm_placement::Config>({"", "deepnorm"});
  e.samples = {"{bundle: sites_only}"};
}

}  // namespace ingot
