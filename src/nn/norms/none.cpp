// No norm: y = x. Takes a norm away from a site, or from all of them as `model.norm`.

#include "config/fields.h"
#include "nn/norm.h"
#include "registry/add_entry.h"

namespace ingot {
namespace no_norm {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

at::Tensor reference(const Config& /*config*/, const at::Tensor& x, const ParamMap& /*params*/) { return x; }

}  // namespace no_norm

void register_none(Family<NormEntry>& family) {
  auto& e = add_entry<no_norm::Config, void>(family, "none", "Leaves x as it is.", "");
  e.has_gain = false;
}

}  // namespace ingot
