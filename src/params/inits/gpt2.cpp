// Normal values, smaller where a branch writes to the residual stream, so that the stream's variance at the top does
// not grow with depth.
//
//   W ~ N(0, std^2)           elsewhere
//   W ~ N(0, std^2 / S)       matrices that write to the stream; S: residual branches (2 for each GPT-2 layer)
//
// Radford et al. 2019 ("Language Models are Unsupervised Multitask Learners"), section 2.3.

#include <cmath>

#include "config/fields.h"
#include "params/init_parts.h"

namespace ingot {
namespace gpt2 {
namespace {

struct Gpt2Config {
  double std = 0.02;
};

void describe(Fields& f, Gpt2Config& c) {
  f.field("std", c.std, "standard deviation before the scaling by depth", Rule{}.at_least(0));
}

class Gpt2 final : public inits::NormalBy {
 public:
  Gpt2(const Gpt2Config& config, const InitContext& context) : std_(config.std), branches_(context.num_sublayers) {}
  bool scales_with_depth() const override { return true; }

 private:
  double std_of(const ParamInfo& info) const override {
    const bool is_scaled = info.roles.has(Role::kWritesStream) && branches_ > 0;
    return is_scaled ? std_ / std::sqrt(static_cast<double>(branches_)) : std_;
  }

  double std_;
  int branches_;
};

}  // namespace
}  // namespace gpt2

void register_gpt2(Family<InitEntry>& family) {
  add_init<gpt2::Gpt2Config, gpt2::Gpt2>(
      family, "gpt2", "Normal values; in matrices that write to the residual stream divided by the root of the depth.",
      "Radford et al. 2019, section 2.3", {"{std: 0.1}"});
}

}  // namespace ingot
