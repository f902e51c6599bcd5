#pragma once
// Placements over a pattern of mixers and ffns in turn.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/harness.h"
#include "nn/placement.h"

namespace ingot::testing {

using Sites = std::vector<std::string>;
using BundleKeys = std::vector<std::pair<std::string, std::string>>;

/// The placement that the config text describes. `inner_sites`: whether mixers have the sites q, k and v, and the ffn
/// `hidden`.
inline std::unique_ptr<Placement> make_placement(const std::string& yaml, int num_sublayers = 4,
                                                 bool inner_sites = true) {
  const auto variant = configured<PlacementEntry>(yaml);
  const auto is_mixer = [](int depth) { return depth % 2 == 0; };
  return variant.entry().make(variant.settings(), {num_sublayers, is_mixer,
                                                   [=](int depth, Site site) {
                                                     const bool qkv =
                                                         site == Site::kQ || site == Site::kK || site == Site::kV;
                                                     const bool hidden = site == Site::kHidden;
                                                     return inner_sites && (is_mixer(depth) ? qkv : hidden);
                                                   },
                                                   kModel});
}

/// What the placement brings beside its sites.
inline PlacementBundle bundle_of(const std::string& yaml, std::int64_t d_model = kModel) {
  const auto variant = configured<PlacementEntry>(yaml);
  return variant.entry().bundle(variant.settings(), d_model);
}

/// Names of the sites with a norm, in the order of `site_names`.
inline Sites sites_at(const Placement& placement, int depth) {
  Sites names;
  for (const auto& [name, site] : site_names()) {
    if (placement.has_norm(site, depth)) names.push_back(name);
  }
  return names;
}

}  // namespace ingot::testing
