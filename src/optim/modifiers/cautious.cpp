// Cautious updates: only those elements move whose direction agrees with the newest gradient.
//
//   mask = [d ⊙ g > 0]
//   d ← d ⊙ mask / max(mean(mask), ε)
//
// d: direction of a parameter, g: its gradient; the mean is over the parameter's elements. Liang et al. 2024
// (arXiv:2411.16085), algorithm 2; the bound ε = 1e-3 is that of its release. No state.

#include <ATen/TensorOperators.h>
#include <ATen/ops/mul.h>

#include "config/units.h"
#include "optim/optimizer.h"

namespace ingot::cautious {
namespace {

struct CautiousConfig {
  double eps = 1e-3;
};

void describe(Fields& f, CautiousConfig& c) {
  f.field("eps", c.eps, "the steps that remain are divided by the mean of the mask, at least by this", Rule{}.above(0));
}

class Cautious final : public Modifier {
 public:
  explicit Cautious(const CautiousConfig& config) : config_(config) {}
  Granularity granularity(const Master& /*master*/) const override { return Granularity::kMatrix; }
  void modify(std::vector<Slot>& slots, const UpdateContext& /*context*/) const override {
    for (auto& slot : slots) {
      const at::Tensor mask = (slot.direction * slot.master->grad).gt(0).to(slot.direction.scalar_type());
      slot.direction.mul_(mask).div_(mask.mean().clamp_min(config_.eps));
    }
  }

 private:
  const CautiousConfig& config_;
};

}  // namespace
}  // namespace ingot::cautious

namespace ingot {

void register_cautious(Family<ModifierEntry>& family) {
  add_entry<cautious::CautiousConfig, cautious::Cautious>(
      family, "cautious", "Leaves out those parts of a step whose sign disagrees with the newest gradient.",
      "Liang et al. 2024, arXiv:2411.16085")
      .samples = {"{eps: 0.5}"};
}

}  // namespace ingot
