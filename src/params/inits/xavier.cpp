// Xavier's init: activations keep their variance on the way forward, gradients theirs on the way back, between the two.
//
//   W ~ N(0, 2 / (fan_in + fan_out))
//   W ~ U(-a, a),  a = sqrt(6 / (fan_in + fan_out))      `distribution: uniform`, as published
//
// Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equations 12 and
// 16.

#include "params/init_parts.h"

namespace ingot::xavier {
namespace {

struct XavierConfig {
  inits::Distribution distribution = inits::Distribution::kUniform;
};

void describe(Fields& f, XavierConfig& c) {
  f.choice("distribution", c.distribution, inits::distribution_names(), "of the values; both have the same deviation");
}

struct Xavier final : inits::DrawnBy {
  explicit Xavier(const XavierConfig& config) : DrawnBy(config.distribution) {}
  bool scales_with_width() const override { return true; }
  double std_of(const ParamInfo& info) const override { return inits::xavier_std(info); }
};

}  // namespace
}  // namespace ingot::xavier

namespace ingot {

void register_xavier(Family<InitEntry>& family) {
  add_init<xavier::XavierConfig, xavier::Xavier>(family, "xavier", "Variance 2 / (fan_in + fan_out).",
                                                 "Glorot & Bengio 2010, equation 16", {"{distribution: normal}"});
}

}  // namespace ingot
