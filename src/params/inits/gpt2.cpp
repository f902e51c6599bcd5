// Normal values, smaller where a branch writes to the residual stream, so that the stream's variance at the top does
// not grow with depth.
//
//   W ~ N(0, std^2)           elsewhere
//   W ~ N(0, std^2 / S)       matrices that write to the stream; S: residual branches (2 for each GPT-2 layer)
//
// Radford et al. 2019 ("Language Models are Unsupervised Multitask Learners"), section 2.3.

#include "params/init_parts.h"

namespace ingot {
namespace gpt2 {
namespace {

struct Config {
  double std = 0.02;
};

void describe(Fields& f, Config& c) {
  f.field("std", c.std, "standard deviation before the scaling by depth", Rule{}.at_least(0));
}

inits::Draw draw(const Config& c, const ParamInfo& info, const InitContext& context) {
  return info.roles.has(Role::kWritesStream) ? c.std / std::sqrt(context.branches()) : c.std;
}
inits::Follows follows(const Config& /*c*/) { return {.depth = true}; }

}  // namespace
}  // namespace gpt2

void register_gpt2(Family<InitEntry>& family) {
  inits::add_drawn<gpt2::Config>(
      family, "gpt2", "Normal values; in matrices that write to the residual stream divided by the root of the depth.",
      "Radford et al. 2019, section 2.3", {"{std: 0.1}"});
}

}  // namespace ingot
