// Independent normal values of one standard deviation.
//
//   W ~ N(0, std^2)

#include "params/init_parts.h"

namespace ingot {
namespace normal {
namespace {

struct Config {
  double std = 0.02;
};

void describe(Fields& f, Config& c) { f.field("std", c.std, "standard deviation", Rule{}.at_least(0)); }

inits::Draw draw(const Config& c, const ParamInfo& /*info*/, const InitContext& /*context*/) { return c.std; }
inits::Follows follows(const Config& /*c*/) { return {}; }

}  // namespace
}  // namespace normal

void register_normal(Family<InitEntry>& family) {
  inits::add_drawn<normal::Config>(family, "normal", "Normal values with the same standard deviation everywhere.", "",
                                   {"{std: 0.5}"});
}

}  // namespace ingot
