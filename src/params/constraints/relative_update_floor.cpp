// A floor under updates: a direction that is small against its weight is made longer.
//
//   d <- d · max(1, f |W| / |d|)
//
// d: direction before the learning rate η, so that an update moves the weight by at least the share η·f of its norm;
// f: `floor`. |.|: Frobenius norm of the matrix, or with `per: row` of each output's weights. Matrices between
// activations. A direction of zero stays zero; the weight itself is left where the update puts it. No state. The u/w
// floor of the record runs of modded-nanogpt's third track (2026: 0.35 to 0.38 with Muon); NVIDIA's Emerging-Optimizers
// has the same with equality in place of the floor.

#include <ATen/TensorOperators.h>

#include "params/kept_norm.h"

namespace ingot::relative_update_floor {
namespace {

struct FloorConfig {
  double floor = 0.35;
  NormUnit per = NormUnit::kMatrix;
};

void describe(Fields& f, FloorConfig& c) {
  f.field("floor", c.floor, "least norm of a direction, relative to that of the weight", Rule{}.above(0));
  f.choice("per", c.per, norm_units(), "for the whole matrix, or for each output (row)");
}

class RelativeUpdateFloor final : public KeptNorm {
 public:
  explicit RelativeUpdateFloor(const FloorConfig& config) : KeptNorm(config.per), floor_(config.floor) {}
  std::vector<ConstraintState> states(const ParamInfo& /*info*/) const override { return {}; }
  void begin(const at::Tensor& /*weight*/, const ConstraintContext& /*context*/) const override {}
  void apply(at::Tensor& /*weight*/, const ConstraintContext& /*context*/) const override {}
  bool changes_updates() const override { return true; }
  void change_direction(at::Tensor& direction, const at::Tensor& weight,
                        const ConstraintContext& /*context*/) const override {
    direction.mul_(ratio_or(floor_ * norm_of(weight), norm_of(direction), 1.0).clamp_min(1));
  }

 private:
  double floor_;
};

}  // namespace
}  // namespace ingot::relative_update_floor

namespace ingot {

void register_relative_update_floor(Family<ConstraintEntry>& family) {
  using namespace relative_update_floor;
  add_constraint<FloorConfig, RelativeUpdateFloor>(family, "relative_update_floor",
                                                   "Directions that are small against their weight are made longer.",
                                                   "modded-nanogpt, track 3, 2026", {"{floor: 2, per: row}"});
}

}  // namespace ingot
