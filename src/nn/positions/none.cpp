// No position encoding: order is known from causal masks and recurrences alone.

#include "config/fields.h"
#include "nn/position.h"

namespace ingot {
namespace no_position {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

}  // namespace no_position

void register_none(Family<PositionEntry>& family) {
  PositionEntry& e = family.add<no_position::Config>("none", "No position encoding.", "");
  e.make = [](const ConfigObject&, const PositionContext&) { return std::unique_ptr<Position>(); };
  e.reference = [](const ConfigObject&, const at::Tensor& x, const at::Tensor&, const ParamMap&) { return x; };
  e.num_parameters = [](const ConfigObject&, const PositionContext&) { return std::int64_t{0}; };
}

}  // namespace ingot
