// Xavier's init: activations keep their variance on the way forward, gradients theirs on the way back, between the two.
//
//   W ~ N(0, 2 / (fan_in + fan_out))
//   W ~ U(-a, a),  a = sqrt(6 / (fan_in + fan_out))      `distribution: uniform`, as published
//
// Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equations 12 and
// 16.

#include "params/init_parts.h"

namespace ingot {
namespace xavier {
namespace {

struct Config {
  inits::Distribution distribution = inits::Distribution::kUniform;
};

void describe(Fields& f, Config& c) { inits::describe_distribution(f, c.distribution); }

inits::Draw draw(const Config& c, const ParamInfo& info, const InitContext& /*context*/) {
  return {c.distribution, inits::xavier_std(info)};
}
inits::Follows follows(const Config& /*c*/) { return {.width = true}; }

}  // namespace
}  // namespace xavier

void register_xavier(Family<InitEntry>& family) {
  inits::add_drawn<xavier::Config>(family, "xavier", "Variance 2 / (fan_in + fan_out).",
                                   "Glorot & Bengio 2010, equation 16", {"{distribution: normal}"});
}

}  // namespace ingot
