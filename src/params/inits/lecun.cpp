// LeCun's init: a sum over inputs of variance 1 has variance 1.
//
//   W ~ N(0, 1 / fan_in)
//   W ~ U(-a, a),  a = sqrt(3 / fan_in)      `distribution: uniform`
//
// fan_in is the length of a row, so that an embedding has variance 1 / D. LeCun et al. 1998, "Efficient BackProp",
// section 4.6, equation 16; with activation `selu` it is what Klambauer et al. 2017, "Self-Normalizing Neural
// Networks", arXiv:1706.02515, ask for.

#include "params/init_parts.h"

namespace ingot {
namespace lecun {
namespace {

struct Config {
  inits::Distribution distribution = inits::Distribution::kNormal;
};

void describe(Fields& f, Config& c) { inits::describe_distribution(f, c.distribution); }

inits::Draw draw(const Config& c, const ParamInfo& info, const InitContext& /*context*/) {
  return {c.distribution, 1 / std::sqrt(static_cast<double>(info.fan_in))};
}
inits::Follows follows(const Config& /*c*/) { return {.width = true}; }

}  // namespace
}  // namespace lecun

void register_lecun(Family<InitEntry>& family) {
  inits::add_drawn<lecun::Config>(family, "lecun", "Variance 1 / fan_in.",
                                  "LeCun et al. 1998, \"Efficient BackProp\", equation 16",
                                  {"{distribution: uniform}"});
}

}  // namespace ingot
