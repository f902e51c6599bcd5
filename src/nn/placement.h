#pragma once
// A placement says which sites have a norm and how a branch joins the stream.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/enum_codec.h"
#include "nn/norm.h"
#include "registry/add_entry.h"

namespace ingot {

struct PlacementContext {
  int num_sublayers = 0;
  /// Whether sub-layer `depth` is a mixer (else an ffn).
  std::function<bool(int depth)> is_mixer;
  /// Whether the operator of sub-layer `depth` has the site inside it: q, k, v, head, hidden.
  std::function<bool(int depth, Site site)> has_site;
  std::int64_t d_model = 0;
};

/// Papers count blocks of two sub-layers, a mixer and an ffn; block 0 comes first.
inline int block_of(int depth) { return depth / 2; }

class Placement {
 public:
  virtual ~Placement() = default;
  /// Whether the site of sub-layer `depth` has `model.norm`; depth -1 asks for the model sites embedding and final.
  virtual bool has_norm(Site site, int depth) const = 0;
  /// Where the gain of that norm starts, in units of its usual start value.
  virtual double gain_start(Site site, int depth) const {
    (void)site, (void)depth;
    return 1.0;
  }
  /// Factor of what the input norm gives.
  virtual double input_scale(int depth) const {
    (void)depth;
    return 1.0;
  }
  /// Factors of the branch and of the skip path.
  virtual double branch_scale(int depth) const {
    (void)depth;
    return 1.0;
  }
  virtual double skip_scale(int depth) const {
    (void)depth;
    return 1.0;
  }
  /// The norms that sub-layer `depth` goes without because its operator lacks their sites ("norms of q and k"); empty
  /// for none.
  virtual std::string lacks(int depth) const {
    (void)depth;
    return {};
  }
  /// One line for `plan`: formula of the sub-layer, "x + f(norm(x))".
  virtual std::string formula(int depth) const = 0;
};

/// Whether QKV-norm has a norm at `site`: at q, k and v of a mixer that has them, else at its input.
inline bool norms_qkv(const PlacementContext& context, Site site, int depth) {
  if (!context.has_site(depth, Site::kQ)) return site == Site::kInput;
  return site == Site::kQ || site == Site::kK || site == Site::kV;
}

/// Key `bundle` of a placement whose paper has more than sites.
/// published: depth factors, residual rule, init and constraints too, unless the config says otherwise.
/// sites_only: the sites alone, so that placements can be compared under one init and one residual rule.
enum class Bundle { kPublished, kSitesOnly };

inline std::vector<std::pair<std::string, Bundle>> enum_names(Bundle) {
  return {{"published", Bundle::kPublished}, {"sites_only", Bundle::kSitesOnly}};
}
template <>
struct Codec<Bundle> : EnumCodec<Bundle> {};

inline constexpr const char* kBundleHelp =
    "published: with the paper's residual rule, start values and factors where the config sets none; sites_only: norms "
    "alone";

/// What a placement's paper has beside the sites, as the config would write it; empty for the usual.
struct PlacementBundle {
  std::string residual, init;                 // variants: "b2t", "{type: normal, std: 0.5}"
  std::vector<std::string> constraints = {};  // of weights
  /// Keys of every mixer and of every ffn that has them, {"score", "ngpt"}.
  std::vector<std::pair<std::string, std::string>> mixer = {}, ffn = {};
  bool logit_scale = false;
  bool untied_head = false;
};

struct PlacementEntry : Entry {
  static constexpr const char* kFamily = "placements";
  std::function<std::unique_ptr<Placement>(const ConfigObject& settings, const PlacementContext& context)> make;
  /// Null: nothing beside the sites.
  std::function<PlacementBundle(const ConfigObject& settings, std::int64_t d_model)> bundle;
  /// Its formulas count blocks of a mixer and an ffn.
  bool counts_blocks = false;
  SettingsSamples samples;
};

/// PlacementEntry::bundle of settings with a key `bundle`.
template <class C>
auto published(PlacementBundle bundle) {
  return with_settings<C>([bundle](const C& settings, std::int64_t /*d_model*/) {
    return settings.bundle == Bundle::kSitesOnly ? PlacementBundle{} : bundle;
  });
}

void register_all_placements(Family<PlacementEntry>& family);

}  // namespace ingot
