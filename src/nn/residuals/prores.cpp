// Progressive residual warm-up: x_{n+1} = x_n + a f_n(norm(x_n)), a = min(t / (T l), 1)
//
//   t: the number of the update; l = 1, 2, … the block of the sub-layer; T updates until the first block joins in full.
//   Deeper blocks wait until shallower ones have settled. In the authors' release the first update has t = 0: its
//   forward pass has no branches; `first_update: 1` gives them a share there already. Skipped steps don't count. It
//   composes with a placement's factors.
//   "ProRes: Progressive Residual Warmup for Language Model Pretraining", arXiv:2603.05369.

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>

#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/placement.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace prores {

struct Config {
  std::int64_t updates = 1000;
  std::int64_t first_update = 0;
};

void describe(Fields& f, Config& c) {
  f.field("updates", c.updates,
          "T: updates until the first block's branches join in full; block l takes l times as many",
          Rule{}.at_least(1).at_most(limits::kUpdates));
  f.field("first_update", c.first_update,
          "t of the first update: 0 as in the authors' release, whose first forward pass has no branches, or 1",
          Rule{}.at_least(0).at_most(1));
}

class Prores final : public residuals::ScaledResidual {
 public:
  Prores(const Config& config, const ResidualContext& context)
      : ScaledResidual(context),
        updates_(static_cast<double>(config.updates)),
        first_update_(static_cast<double>(config.first_update)) {}

  std::string text(int depth) const override { return cat("full after ", warmup(depth) - first_update_, " updates"); }

 private:
  double warmup(int depth) const { return updates_ * (block_of(depth) + 1); }
  at::Tensor scaled(int depth, const at::Tensor& branch, const Pass& pass) const override {
    const double share = (static_cast<double>(pass.point.updates) + first_update_) / warmup(depth);
    return branch * at::scalar_tensor(std::min(share, 1.0), branch.options());
  }

  double updates_, first_update_;
};

}  // namespace prores

void register_prores(Family<ResidualEntry>& family) {
  auto& e = add_entry<prores::Config, prores::Prores>(
      family, "prores", "Adds the branch times a factor that grows to 1, in shallow blocks first.", "arXiv:2603.05369");
  e.sums_branches = true;
  e.samples = {"{updates: 3, first_update: 1}"};
}

}  // namespace ingot
