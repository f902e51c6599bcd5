// Independent normal values of one standard deviation.
//
//   W ~ N(0, std^2)

#include "params/init_parts.h"

namespace ingot {
namespace normal {
namespace {

struct NormalConfig {
  double std = 0.02;
};

void describe(Fields& f, NormalConfig& c) { f.field("std", c.std, "standard deviation", Rule{}.at_least(0)); }

class Normal final : public inits::NormalBy {
 public:
  explicit Normal(const NormalConfig& config) : std_(config.std) {}

 private:
  double std_of(const ParamInfo& /*info*/) const override { return std_; }
  double std_;
};

}  // namespace
}  // namespace normal

void register_normal(Family<InitEntry>& family) {
  add_init<normal::NormalConfig, normal::Normal>(
      family, "normal", "Normal values with the same standard deviation everywhere.", "", {"{std: 0.5}"});
}

}  // namespace ingot
