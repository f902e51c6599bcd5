// nGPT: the stream stays on the unit sphere, h_{n+1} = unit(h_n + a_n ⊙ (unit(f_n(h_n)) - h_n)); norms at q and k alone.
//
//   The step is the residual rule `ngpt`; matrices have unit vectors along the stream (constraint `unit_norm`) and start from
//   N(0, 1/D). Branches read sqrt(D) h, entries of order 1: in the ffn this is the paper's sqrt(D) of u and v, elsewhere a scale
//   that the norms of q and k and of the branch take away. A norm of q and k over the root mean square with attention's usual
//   scale K^-1/2 is the paper's unit q and k with scale K^1/2; its gains are s_qk, one for all heads and before the rotation.
//   The paper's s_u and s_v are left out; s_z is one number (rule `ngpt`). No decay, no warm-up, untied head.
//   Loshchilov et al. 2024, "nGPT: Normalized Transformer with Representation Learning on the Hypersphere", arXiv:2410.01131.

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/placement.h"

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
        input_scale_(config.bundle == Bundle::kPublished ? std::sqrt(static_cast<double>(context.d_model)) : 1) {}

  bool has_norm(Site site, int depth) const override {
    if (depth < 0 || !context_.has_site(depth, Site::kQ)) return false;
    return site == Site::kQ || site == Site::kK;
  }
  double input_scale(int /*depth*/) const override { return input_scale_; }
  std::string formula(int /*depth*/) const override {
    return input_scale_ == 1 ? "x + f(x)" : "unit(x + rate (unit(f(sqrt(D) x)) - x))";
  }

 private:
  PlacementContext context_;
  double input_scale_;
};

}  // namespace ngpt_placement

void register_ngpt(Family<PlacementEntry>& family) {
  using ngpt_placement::Config;
  PlacementEntry& e = family.add<Config>("ngpt", "A stream on the unit sphere, unit weight vectors, norms of q and k.",
                                         "Loshchilov et al. 2024, arXiv:2410.01131");
  e.make =
      with_settings<Config>([](const Config& config, const PlacementContext& context) -> std::unique_ptr<Placement> {
        return std::make_unique<ngpt_placement::Ngpt>(config, context);
      });
  e.bundle = with_settings<Config>([](const Config& config, std::int64_t d_model) -> PlacementBundle {
    if (config.bundle == Bundle::kSitesOnly) return {};
    return {"ngpt",
            cat("{type: normal, std: ", format_double(1 / std::sqrt(static_cast<double>(d_model))), "}"),
            {"unit_norm"}};
  });
}

}  // namespace ingot
