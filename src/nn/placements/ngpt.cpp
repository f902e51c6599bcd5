// nGPT: the stream stays on the unit sphere, h_{n+1} = unit(h_n + a_n ⊙ (unit(f_n(h_n)) - h_n)); no norm layers.
//
//   The step is the residual rule `ngpt`; matrices have unit vectors along the stream (constraint `unit_norm`) and
//   start from N(0, 1/D). Branches read sqrt(D) h, entries of order 1: in the ffn this is the sqrt(D) of u and v in the
//   authors' code, elsewhere a scale that score and step take away. Attention's score is `ngpt` (unit q and k, s_qk),
//   the ffn has `hidden_scale` (s_u, s_v), the head `logit_scale` (s_z). No decay, no warm-up, untied head:
//   `configs/recipes/ngpt.yaml`. With sites_only there are norms at q and k of mixers that have these sites.
//   Loshchilov et al. 2024, "nGPT: Normalized Transformer with Representation Learning on the Hypersphere",
//   arXiv:2410.01131.

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace ngpt_placement {

struct Config {
  Bundle bundle = Bundle::kPublished;
};

void describe(Fields& f, Config& c) { f.field("bundle", c.bundle, kBundleHelp); }

class Ngpt final : public Placement {
 public:
  Ngpt(const Config& config, const PlacementContext& context)
      : context_(context),
        published_(config.bundle == Bundle::kPublished),
        input_scale_(published_ ? std::sqrt(static_cast<double>(context.d_model)) : 1) {}

  bool has_norm(Site site, int depth) const override {
    if (published_ || depth < 0 || !context_.has_site(depth, Site::kQ)) return false;
    return site == Site::kQ || site == Site::kK;
  }
  std::string lacks(int depth) const override {
    const bool is_missed = !published_ && context_.is_mixer(depth) && !context_.has_site(depth, Site::kQ);
    return is_missed ? "norms of q and k" : "";
  }
  double input_scale(int /*depth*/) const override { return input_scale_; }
  std::string formula(int /*depth*/) const override {
    return published_ ? "unit(x + rate (unit(f(sqrt(D) x)) - x))" : "x + f(x)";
  }

 private:
  PlacementContext context_;
  bool published_;
  double input_scale_;
};

}  // namespace ngpt_placement

void register_ngpt(Family<PlacementEntry>& family) {
  using namespace ngpt_placement;
  auto& e = add_entry<Config, Ngpt>(
      family, "ngpt", "A stream on the unit sphere, unit weight vectors, learned factors in place of norms.",
      "Loshchilov et al. 2024, arXiv:2410.01131");
  e.bundle = with_settings<Config>([](const Config& config, std::int64_t d_model) -> PlacementBundle {
    if (config.bundle == Bundle::kSitesOnly) return {};
    return {"ngpt",
            cat("{type: normal, std: ", format_double(1 / std::sqrt(static_cast<double>(d_model))), "}"),
            {"unit_norm"},
            {{"score", "ngpt"}},
            {{"hidden_scale", "true"}},
            /*logit_scale=*/true,
            /*untied_head=*/true};
  });
  e.samples = {"{bundle: sites_only}"};
}

}  // namespace ingot
