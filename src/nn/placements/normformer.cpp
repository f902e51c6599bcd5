// NormFormer: pre-norm, and a norm of every mixer's output and of the ffn's hidden layer; a final norm.
//
//   mixers: x_{n+1} = x_n + norm(f_n(norm(x_n)));  ffn: the norm lies before its last matrix. An ffn without the site
//                                                  `hidden`
//   has a norm of its output in its place. Attention has a factor of each head (`head_scale`), before its last matrix.
//   With `residual_scale` the ffn's skip path has one of each channel (rule `skip_gain`), which the paper uses up to
//   355M parameters.
//   Shleifer et al. 2021, "NormFormer: Improved Transformer Pretraining with Extra Normalization", arXiv:2110.09456,
//   section 2. It uses larger learning rates than pre-norm.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace normformer {

struct Config {
  bool residual_scale = false;
  Bundle bundle = Bundle::kPublished;
};

void describe(Fields& f, Config& c) {
  f.field("residual_scale", c.residual_scale, "whether the ffn's skip path has a learned factor of each channel");
  f.field("bundle", c.bundle, kBundleHelp);
}

class Normformer final : public Placement {
 public:
  explicit Normformer(const PlacementContext& context) : context_(context) {}

  bool has_norm(Site site, int depth) const override {
    if (depth < 0) return site == Site::kFinal;
    return site == Site::kInput || site == second(depth);
  }
  std::string formula(int depth) const override {
    return second(depth) == Site::kOutput ? "x + norm(f(norm(x)))" : "x + f(norm(x))";
  }

 private:
  Site second(int depth) const {
    const bool inside = !context_.is_mixer(depth) && context_.has_site(depth, Site::kHidden);
    return inside ? Site::kHidden : Site::kOutput;
  }

  PlacementContext context_;
};

}  // namespace normformer

void register_normformer(Family<PlacementEntry>& family) {
  using namespace normformer;
  auto& e =
      add_entry<Config, Normformer>(family, "normformer", "Pre-norm with norms of mixers' outputs and inside the ffn.",
                                    "Shleifer et al. 2021, arXiv:2110.09456");
  e.bundle = with_settings<Config>([](const Config& config, std::int64_t) {
    PlacementBundle bundle;
    if (config.bundle == Bundle::kSitesOnly) return bundle;
    if (config.residual_scale) bundle.residual = "skip_gain";
    bundle.mixer = {{"head_scale", "true"}};
    return bundle;
  });
  e.samples = {"{bundle: sites_only}", "{residual_scale: true}"};
}

}  // namespace ingot
