#pragma once
// Which norm each site has. Precedence: model.norm < placement < operators.X.sites < model.overrides.

#include <memory>
#include <string>

#include "model/model_config.h"
#include "nn/placement.h"

namespace ingot {

class SiteNormTable {
 public:
  SiteNormTable(const ModelConfig& config, const Placement& placement, int num_sublayers)
      : config_(config), placement_(placement), num_sublayers_(num_sublayers) {}

  /// The chosen variant at a site of sub-layer `depth` (operator `op`), or of the model (depth -1); null for no norm.
  const Variant<NormEntry>* choose(Site site, int depth, const std::string& op) const;

  /// Makes that norm below `scope`, or null.
  std::unique_ptr<Norm> make(Site site, const ParamScope& scope, std::int64_t width, std::int64_t heads) const;

 private:
  const ModelConfig& config_;
  const Placement& placement_;
  int num_sublayers_;
};

}  // namespace ingot
