// Normalised gradient descent with momentum: steps of one length, whatever the gradient's.
//
//   m = μ·m + (1 - μ)·g
//   w = (1 - η·λ)·w - η·m / (‖m‖ + ε)
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, μ: momentum (0: m = g, no state). ‖m‖, by `norm`: of
// all parameters of the group together (`global`), of each tensor, of each row of a matrix [out, in] (all inputs of an
// output) or of each column; a vector counts as one row and one column. What has no gradient does not move. State m: 4
// bytes for each fp32 parameter. Cutkosky & Mehta 2020 (arXiv:2002.03305), algorithm 1: averaging before normalising is
// what makes it converge with small batches. The decay is ours.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "config/units.h"
#include "optim/elementwise.h"
#include "optim/optimizers/sgd.h"
#include "optim/sums.h"

namespace ingot::nsgd {
namespace {

enum class Norm { kGlobal, kTensor, kRow, kColumn };

struct NsgdConfig {
  double lr = 1e-2;
  double momentum = 0.9;
  Norm norm = Norm::kTensor;
  double eps = 1e-8;
  double weight_decay = 0;
};

void describe(Fields& f, NsgdConfig& c) {
  f.field("lr", c.lr, "peak learning rate: the length of a step", Rule{}.at_least(0));
  f.field("momentum", c.momentum, "share of the average that is kept; 0: the gradient alone",
          Rule{}.at_least(0).below(1));
  f.choice(
      "norm", c.norm,
      {{"global", Norm::kGlobal}, {"tensor", Norm::kTensor}, {"row", Norm::kRow}, {"column", Norm::kColumn}},
      "what has steps of one length: all parameters of the group together, each tensor, or each row or column of a "
      "matrix");
  f.field("eps", c.eps, "added to the norm", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

class Nsgd final : public FusedOptimizer {
 public:
  explicit Nsgd(const NsgdConfig& config) : c_(config), keeps_average_(config.momentum > 0) {}

  Granularity granularity(const Master& master) const override {
    return c_.norm == Norm::kRow && master.shape.size() > 1 ? Granularity::kRow : Granularity::kMatrix;
  }
  std::vector<StateSpec> state_specs() const override {
    return whole_states(keeps_average_ ? std::vector<std::string>{"momentum"} : std::vector<std::string>{});
  }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    const double length = c_.norm == Norm::kGlobal ? global_norm(slots, context) : 0;
    for (const auto& slot : slots) {
      if (c_.norm == Norm::kColumn && slot.master->shape.size() > 1) {
        update_columns(slot, context, directions_only);
      } else {
        update_blocks(slot, length, context, directions_only);
      }
    }
  }

  /// m after this update, or before the step where it isn't kept.
  Combination moved(const Slot& slot, double grad_scale) const {
    if (!keeps_average_) return {grad_scale, slot.master->grad};
    return {c_.momentum, slot.states[0], (1 - c_.momentum) * grad_scale, slot.master->grad};
  }

  double global_norm(const std::vector<Slot>& slots, const UpdateContext& context) const {
    std::vector<std::array<double, 1>> squares;
    for (const auto& slot : slots) squares.push_back({sum_of_squares(moved(slot, context.grad_scale))});
    return std::sqrt(sum_over_group<1>(slots, squares, context)[0]);
  }

  void update_blocks(const Slot& slot, double length, const UpdateContext& context, bool directions_only) const {
    const Run run = run_of(slot, slot.states.size());
    auto factors = update_factors(run, context.grad_scale, 1, decay(), directions_only);
    BlockSteps steps;
    if (c_.norm == Norm::kGlobal) {
      factors.step /= length + c_.eps;
    } else {
      steps.length = c_.norm == Norm::kTensor ? run.value.numel() : row_length(*slot.master);
      const at::Tensor norms = block_squares(moved(slot, context.grad_scale), steps.length).sqrt_();
      steps.values = norms.add_(c_.eps).reciprocal_().to(run.value.scalar_type());
    }
    if (keeps_average_) {
      update_run<sgd::MomentumRule>(run, factors, {c_.momentum, 1 - c_.momentum, 0, 1}, directions_only, steps);
    } else {
      update_run<sgd::PlainRule>(run, factors, {}, directions_only, steps);
    }
  }

  void update_columns(const Slot& slot, const UpdateContext& context, bool directions_only) const {
    const Master& master = *slot.master;
    at::Tensor moved = master.grad;
    double scale = context.grad_scale;
    if (keeps_average_) {
      moved = slot.states[0];
      moved.mul_(c_.momentum).add_(master.grad, (1 - c_.momentum) * scale);
      scale = 1;
    }
    const at::Tensor norms = column_squares(scale, moved).sqrt_();
    const at::Tensor factors = norms.add_(c_.eps).reciprocal_().mul_(scale).to(moved.scalar_type());
    const at::Tensor direction = moved * factors;
    if (directions_only) {
      slot.direction.copy_(direction);
    } else {
      apply_direction(master.value, direction, slot.lr, slot.weight_decay, decay());
    }
  }

  const NsgdConfig& c_;
  bool keeps_average_;
};

}  // namespace
}  // namespace ingot::nsgd

namespace ingot {

void register_nsgd(Family<OptimizerEntry>& family) {
  using namespace nsgd;
  add_optimizer<NsgdConfig>(family, "nsgd", "Steps of one length along an average of gradients.",
                            "Cutkosky & Mehta 2020, arXiv:2002.03305",
                            [](const NsgdConfig& c) { return std::make_unique<Nsgd>(c); })
      .samples = {"{norm: global}", "{norm: row, momentum: 0}", "{norm: column}"};
}

}  // namespace ingot
