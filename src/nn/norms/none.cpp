// No norm: y = x. Takes a norm away from a site, or from all of them as `model.norm`.

#include "config/fields.h"
#include "nn/norm.h"

namespace ingot {
namespace no_norm {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

}  // namespace no_norm

void register_none(Family<NormEntry>& family) {
  NormEntry& e = family.add<no_norm::Config>("none", "Leaves x as it is.", "");
  e.make = [](const ConfigObject&, const NormContext&) { return std::unique_ptr<Norm>(); };
  e.reference = [](const ConfigObject&, const at::Tensor& x, const ParamMap&) { return x; };
  e.has_gain = false;
  e.num_parameters = [](const ConfigObject&, std::int64_t) { return std::int64_t{0}; };
}

}  // namespace ingot
