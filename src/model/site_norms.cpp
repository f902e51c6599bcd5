#include "model/site_norms.h"

#include <algorithm>

namespace ingot {
namespace {

const Variant<NormEntry>* find_site(const NamedMap<Variant<NormEntry>>& sites, const std::string& name) {
  for (const auto& [site, norm] : sites) {
    if (site == name) return &norm;
  }
  return nullptr;
}

}  // namespace

const Variant<NormEntry>* SiteNormTable::choose(Site site, int depth, const std::string& op) const {
  const auto name = site_name(site);
  const Variant<NormEntry>* chosen = placement_.has_norm(site, depth) ? &config_.norm : nullptr;
  if (depth < 0) {
    const auto* own = find_site(config_.sites, name);
    return own != nullptr ? own : chosen;
  }
  for (const auto& [op_name, op_config] : config_.operators) {
    if (op_name != op) continue;
    if (const auto* own = find_site(op_config.sites, name)) chosen = own;
  }
  for (const auto& change : config_.overrides) {
    const auto& ops = change.op;
    if (!ops.empty() && std::find(ops.begin(), ops.end(), op) == ops.end()) continue;
    if (change.depth && !change.depth->contains(depth, num_sublayers_)) continue;
    if (const auto* own = find_site(change.sites, name)) chosen = own;
  }
  return chosen;
}

std::unique_ptr<Norm> SiteNormTable::make(Site site, const ParamScope& scope, std::int64_t width,
                                          std::int64_t heads) const {
  const auto* variant = choose(site, scope.depth(), scope.op());
  if (variant == nullptr) return nullptr;
  NormContext context{scope, width, heads, site, scope.depth(), num_sublayers_};
  if (placement_.has_norm(site, scope.depth())) context.gain_start = placement_.gain_start(site, scope.depth());
  return variant->entry().make(variant->settings(), context);
}

}  // namespace ingot
