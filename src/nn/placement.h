#pragma once
// A placement says which sites have a norm and how a branch joins the stream.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "nn/norm.h"
#include "registry/family.h"

namespace ingot {

struct PlacementContext {
  int num_sublayers = 0;
  /// Whether sub-layer `depth` is a mixer (else an ffn).
  std::function<bool(int depth)> is_mixer;
  /// Whether the operator of sub-layer `depth` has the site inside it: q, k, v, head, hidden.
  std::function<bool(int depth, Site site)> has_site;
};

/// Papers count blocks of two sub-layers, a mixer and an ffn; block 0 comes first.
inline int block_of(int depth) { return depth / 2; }

class Placement {
 public:
  virtual ~Placement() = default;
  /// Whether the site of sub-layer `depth` has `model.norm`; depth -1 asks for the model sites embedding and final.
  virtual bool has_norm(Site site, int depth) const = 0;
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
  /// Residual rule that belongs to the placement, unless `model.residual` says otherwise.
  virtual std::string residual() const { return "add"; }
  /// One line for `plan`: formula of the sub-layer, "x + f(norm(x))".
  virtual std::string formula(int depth) const = 0;
};

/// Whether QKV-norm has a norm at `site`: at q, k and v of a mixer that has them, else at its input.
inline bool norms_qkv(const PlacementContext& context, Site site, int depth) {
  if (!context.has_site(depth, Site::kQ)) return site == Site::kInput;
  return site == Site::kQ || site == Site::kK || site == Site::kV;
}

struct PlacementEntry : Entry {
  static constexpr const char* kFamily = "placements";
  std::function<std::unique_ptr<Placement>(const ConfigObject& settings, const PlacementContext& context)> make;
};

void register_all_placements(Family<PlacementEntry>& family);

}  // namespace ingot
