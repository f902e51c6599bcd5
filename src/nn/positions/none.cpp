// No position encoding: order is known from causal masks and recurrences alone.

#include "config/fields.h"
#include "nn/position.h"
#include "registry/add_entry.h"

namespace ingot {
namespace no_position {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

at::Tensor reference(const Config&, const at::Tensor& x, const at::Tensor&, const ParamMap&) { return x; }

}  // namespace no_position

void register_none(Family<PositionEntry>& family) {
  add_entry<no_position::Config, void>(family, "none", "No position encoding.", "");
}

}  // namespace ingot
