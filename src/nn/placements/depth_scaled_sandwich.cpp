// Depth-scaled sandwich norm: x_{n+1} = x_n + norm_out(f_n(norm_in(x_n))), gains of norm_out starting at c / sqrt(N); a
// final norm.
//
//   N: blocks; c = 0.283 for mixers, 0.432 for the ffn. The output norm takes away any scale of f, so that the depth
//   factor has to be in its gain. The init is `tiny_init`.
//   Yin et al. 2025, "Pangu Ultra", arXiv:2504.07866, section 2.1.

#include <cmath>

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace depth_scaled_sandwich {

struct Config {
  double mixer_gain = 0.283;
  double ffn_gain = 0.432;
  Bundle bundle = Bundle::kPublished;
};

void describe(Fields& f, Config& c) {
  f.field("mixer_gain", c.mixer_gain, "start of a mixer's output gain, times the root of the number of blocks",
          Rule{}.above(0));
  f.field("ffn_gain", c.ffn_gain, "the same for the ffn", Rule{}.above(0));
  f.field("bundle", c.bundle, kBundleHelp);
}

class DepthScaledSandwich final : public Placement {
 public:
  DepthScaledSandwich(const Config& config, const PlacementContext& context) : config_(config), context_(context) {}

  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == Site::kInput || site == Site::kOutput : site == Site::kFinal;
  }
  double gain_start(Site site, int depth) const override {
    if (site != Site::kOutput || config_.bundle == Bundle::kSitesOnly) return 1;
    const double c = context_.is_mixer(depth) ? config_.mixer_gain : config_.ffn_gain;
    return c / std::sqrt(context_.num_sublayers / 2.0);
  }
  std::string formula(int /*depth*/) const override { return "x + norm(f(norm(x)))"; }

 private:
  Config config_;
  PlacementContext context_;
};

}  // namespace depth_scaled_sandwich

void register_depth_scaled_sandwich(Family<PlacementEntry>& family) {
  auto& e = add_entry<depth_scaled_sandwich::Config, depth_scaled_sandwich::DepthScaledSandwich>(
      family, "depth_scaled_sandwich", "Sandwich norm whose output gains start at a number that falls with the depth.",
      "Yin et al. 2025, arXiv:2504.07866");
  e.bundle = published<depth_scaled_sandwich::Config>({"", "tiny_init"});
  e.counts_blocks = true;
  e.samples = {"{bundle: sites_only}", "{mixer_gain: 0.5, ffn_gain: 0.25}"};
}

}  // namespace ingot
