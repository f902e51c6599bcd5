// Adafactor: normalises gradients by a second moment of rank one, of rows and columns, and bounds the update.
//
//   r_i = β_t·r_i + (1 - β_t)·mean_j(g_ij² + ε1)       β_t = 1 - t^-decay
//   c_j = β_t·c_j + (1 - β_t)·mean_i(g_ij² + ε1)
//   u_ij = g_ij / sqrt(r_i·c_j / mean(r))              of vectors u = g / sqrt(v), v averaged likewise
//   u ← u / max(1, rms(u)/d)                           d: `clip`
//   u ← u · max(ε2, rms(w))                            with `relative`
//   m = β1·m + (1 - β1)·u                              with a momentum β1
//   w = (1 - η·λ)·w - η·m                              with `relative` λ·max(ε2, rms(w)) is the decay
//
// w: a matrix [rows, columns] or a vector, g: its gradient, η: learning rate, λ: weight decay, t: update from 1. State
// r, c: 4 (rows + columns) bytes for each fp32 matrix, and 4 for each number of vectors and, with momentum, of
// everything.
// Shazeer & Stern 2018 (arXiv:1804.04235), algorithms 4 and 5. Its own rate, min(0.01, 1/sqrt(t)), is the schedule
// inverse_sqrt. As in fairseq's code but for momentum, which there averages η along with u: the same at a constant
// rate.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <cmath>

#include "config/units.h"
#include "optim/elementwise.h"
#include "optim/sums.h"

namespace ingot::adafactor {
namespace {

struct AdafactorConfig {
  double lr = 1e-2;
  double decay = 0.8;
  double momentum = 0;
  double clip = 1;
  bool relative = true;
  double eps = 1e-30;
  double least_scale = 1e-3;
  double weight_decay = 0;
};

void describe(Fields& f, AdafactorConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("decay", c.decay, "the averages of squares keep 1 - t^-decay at update t", Rule{}.above(0).at_most(1));
  f.field("momentum", c.momentum, "share of an average of updates that is kept; 0: none, and no state for it",
          Rule{}.at_least(0).below(1));
  f.field("clip", c.clip, "largest root mean square of an update before the learning rate", Rule{}.above(0));
  f.field("relative", c.relative, "whether updates are relative to the root mean square of their tensor");
  f.field("eps", c.eps, "added to squares of gradients", Rule{}.above(0));
  f.field("least_scale", c.least_scale, "a smaller root mean square of a tensor counts as this", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

double rms(const at::Tensor& x) {
  return std::sqrt(sum_of_squares({1, x}) / static_cast<double>(std::max<std::int64_t>(1, x.numel())));
}

bool is_factored(const Master& master) { return master.shape.size() > 1; }

class Adafactor final : public FusedOptimizer {
 public:
  explicit Adafactor(const AdafactorConfig& config) : c_(config), keeps_average_(config.momentum > 0) {}

  Granularity granularity(const Master& /*master*/) const override { return Granularity::kMatrix; }
  std::vector<StateSpec> state_specs() const override {
    const auto rows = [](const Master& m) { return std::vector<std::int64_t>{m.shape.empty() ? 1 : m.shape.front()}; };
    const auto columns = [](const Master& m) { return std::vector<std::int64_t>{is_factored(m) ? row_length(m) : 0}; };
    auto specs = whole_states(keeps_average_ ? std::vector<std::string>{"exp_avg"} : std::vector<std::string>{});
    specs.push_back({"exp_avg_sq_row", rows, std::nullopt, nullptr});
    specs.push_back({"exp_avg_sq_col", columns, std::nullopt, nullptr});
    return specs;
  }

 private:
  void run(std::vector<Slot>& slots, const UpdateContext& context, bool directions_only) const override {
    for (auto& slot : slots) {
      const Master& master = *slot.master;
      const double scale = c_.relative ? std::max(c_.least_scale, rms(master.value)) : 1;
      slot.decay_factor = scale;
      at::Tensor u = directions_only ? slot.direction : at::empty_like(master.value);
      normalise(slot, context, u);
      u.mul_(scale / std::max(1.0, rms(u) / c_.clip));
      if (keeps_average_) {
        slot.states[0].mul_(c_.momentum).add_(u, 1 - c_.momentum);
        if (directions_only) u.copy_(slot.states[0]);
        if (!directions_only) u = slot.states[0];
      }
      if (!directions_only) apply_direction(master.value, u, slot.lr, slot.weight_decay * slot.decay_factor, decay());
    }
  }

  /// Moves the averages of squares; u <- g / sqrt(v).
  void normalise(const Slot& slot, const UpdateContext& context, at::Tensor& u) const {
    const at::Tensor &g = slot.master->grad, &w = slot.master->value;
    const double kept = 1 - std::pow(static_cast<double>(context.update), -c_.decay);
    const auto move = [&](at::Tensor average, const at::Tensor& squares, std::int64_t count) {
      const at::Tensor mean = (squares / static_cast<double>(count)).add_(c_.eps).to(w.scalar_type());
      average.mul_(kept).add_(mean.view_as(average), 1 - kept);
    };
    const at::Tensor row = slot.states[keeps_average_], column = slot.states[keeps_average_ + 1];
    if (!is_factored(*slot.master)) {
      const at::Tensor flat = g.view_as(row);
      row.mul_(kept)
          .addcmul_(flat, flat, (1 - kept) * context.grad_scale * context.grad_scale)
          .add_((1 - kept) * c_.eps);
      at::mul_out(u, g, row.rsqrt().mul_(context.grad_scale).view_as(g));
      return;
    }
    const auto length = row_length(*slot.master);
    const at::Tensor rows = g.view({-1, length});
    move(row, block_squares({context.grad_scale, g}, length), length);
    move(column, column_squares(context.grad_scale, rows), rows.size(0));
    const double mean = absolute_sum(row) / static_cast<double>(row.numel());
    const at::Tensor of_row = (row / mean).rsqrt_().mul_(context.grad_scale).unsqueeze(1);
    at::Tensor out = u.view({-1, length});
    at::mul_out(out, rows, of_row).mul_(column.rsqrt());
  }

  const AdafactorConfig& c_;
  bool keeps_average_;
};

}  // namespace
}  // namespace ingot::adafactor

namespace ingot {

void register_adafactor(Family<OptimizerEntry>& family) {
  using namespace adafactor;
  add_optimizer<AdafactorConfig>(
      family, "adafactor", "Normalises gradients by squares of rows and columns, and bounds the update.",
      "Shazeer & Stern 2018, arXiv:1804.04235", [](const AdafactorConfig& c) { return std::make_unique<Adafactor>(c); })
      .samples = {"{momentum: 0.9, relative: false}"};
}

}  // namespace ingot
