// Adam-mini: Adam with one second moment for each block of weights instead of one for each weight.
//
//   m = β1·m + (1 - β1)·g
//   v_b = β2·v_b + (1 - β2)·mean(g_b²)
//   w = (1 - η·λ)·w - η · m/(1 - β1^t) / (sqrt(v_b/(1 - β2^t)) + ε)
//
// w: master, g: its gradient, g_b: of the block b, η: learning rate, λ: weight decay, t: update from 1. Blocks, by
// role:
//
//   matrices q and k of a mixer with heads            the rows of each head
//   all other matrices, embedding and head            each row: a token, or the inputs of an output
//   meta tokens, tables of positions                  each row
//   convolutions, gains and other vectors             the whole tensor
//   biases                                            each number: Adam
//
// State m: 4 bytes for each fp32 parameter, v: 4 for each block. Zhang et al. 2024 (arXiv:2406.16793), algorithm 1 and
// the partition of the authors' code, version 1.1.1; blocks of roles that it does not know are ours.

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"
#include "optim/optimizers/sgd.h"
#include "optim/sums.h"

namespace ingot::adam_mini {
namespace {

struct AdamMiniConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0;
};

void describe(Fields& f, AdamMiniConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of a block's mean square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

/// Rows of q or k that have one second moment; 1 of other matrices.
std::int64_t rows_of_block(const ParamInfo& info) {
  return info.part == "q" || info.part == "k" ? std::max<std::int64_t>(1, info.head_rows) : 1;
}

bool is_one_block(const Master& master) {
  return master.param->roles.has(Role::kConv) || (master.shape.size() < 2 && !master.param->roles.has(Role::kBias));
}

std::int64_t block_length(const Master& master) {
  if (is_one_block(master)) return master.numel;
  return master.shape.size() < 2 ? 1 : row_length(master) * rows_of_block(*master.param);
}

class AdamMini final : public FusedOptimizer {
 public:
  explicit AdamMini(const AdamMiniConfig& config) : c_(config) {}

  Granularity granularity(const Master& master) const override {
    if (is_one_block(master) || rows_of_block(*master.param) > 1) return Granularity::kMatrix;
    return master.shape.size() < 2 ? Granularity::kElement : Granularity::kRow;
  }
  std::vector<StateSpec> state_specs() const override {
    auto specs = whole_states({"exp_avg"});
    specs.push_back({"block_avg_sq",
                     [](const Master& m) { return std::vector<std::int64_t>{m.numel / block_length(m)}; }, std::nullopt,
                     nullptr});
    return specs;
  }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const double beta1 = c_.betas[0], beta2 = c_.betas[1], correction = bias_correction(beta2, context);
    for (const auto& slot : slots) {
      const Run run = run_of(slot, 1);
      const auto length = block_length(*slot.master);
      const at::Tensor squares = block_squares({context.grad_scale, run.grad}, length);
      const at::Tensor v = slot.states[1];
      v.mul_(beta2).add_(squares.to(v.scalar_type()), (1 - beta2) / static_cast<double>(length));
      const at::Tensor root = (v.to(at::kDouble) / correction).sqrt_();
      const BlockSteps steps{root.add_(c_.eps).reciprocal_().to(v.scalar_type()), length};
      update_run<sgd::MomentumRule>(
          run, update_factors(run, context.grad_scale, bias_correction(beta1, context), decay(), directions_only),
          {beta1, 1 - beta1, 0, 1}, directions_only, steps);
    }
  }

  const AdamMiniConfig& c_;
};

}  // namespace
}  // namespace ingot::adam_mini

namespace ingot {

void register_adam_mini(Family<OptimizerEntry>& family) {
  using namespace adam_mini;
  add_optimizer<AdamMiniConfig>(
      family, "adam_mini", "Adam with one second moment for each block of weights.",
      "Zhang et al. 2024, arXiv:2406.16793", [](const AdamMiniConfig& c) { return std::make_unique<AdamMini>(c); },
      check_betas<2>);
}

}  // namespace ingot
