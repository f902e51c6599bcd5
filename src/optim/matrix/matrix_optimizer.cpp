#include "optim/matrix/matrix_optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <cmath>

namespace ingot {

bool is_matrix_in_stack(const Master& master) { return master.shape.size() == 2 && is_mixing_matrix(*master.param); }

void MatrixOptimizer::direct(std::vector<Slot>& slots, const UpdateContext& context) const {
  for (auto& slot : slots) slot.direction.copy_(direction(slot, context));
}

void MatrixOptimizer::step(std::vector<Slot>& slots, const UpdateContext& context) const {
  for (auto& slot : slots) {
    const at::Tensor d = direction(slot, context);
    at::Tensor w = slot.master->value;
    if (slot.weight_decay != 0) w.mul_(1 - slot.lr * slot.weight_decay);
    w.sub_(d, slot.lr);
  }
}

at::Tensor gradient_of(const Slot& slot, const UpdateContext& context) {
  return slot.master->grad * context.grad_scale;
}

void describe_rate(Fields& f, double& lr, double& weight_decay) {
  f.field("lr", lr, "peak learning rate", Rule{}.at_least(0));
  f.field("weight_decay", weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

void describe_momentum(Fields& f, MomentumConfig& c) {
  f.field("momentum", c.momentum, "share of the gradients' average that is kept; 0: the gradient alone",
          Rule{}.at_least(0).below(1));
  f.field("nesterov", c.nesterov, "whether the newest gradient counts once more");
}

at::Tensor average_gradient(at::Tensor& average, const Slot& slot, const UpdateContext& context,
                            const MomentumConfig& config) {
  const double share = (1 - config.momentum) * context.grad_scale;
  average.mul_(config.momentum).add_(slot.master->grad, share);
  if (!config.nesterov) return average;
  return at::mul(average, config.momentum).add_(slot.master->grad, share);
}

double shape_scale(ShapeScale scale, std::int64_t rows, std::int64_t columns) {
  constexpr double kAdamRms = 0.2;  // of Adam's updates in training: Liu et al. 2025, arXiv:2502.16982, section 2.2
  const auto m = static_cast<double>(rows), n = static_cast<double>(columns);
  switch (scale) {
    case ShapeScale::kMatchRms:
      return kAdamRms * std::sqrt(std::max(m, n));
    case ShapeScale::kSpectral:
      return std::sqrt(m / n);
    default:
      return std::sqrt(std::max(1.0, m / n));
  }
}

UpdateSize update_size_of(ShapeScale scale) {
  return scale == ShapeScale::kMatchRms ? UpdateSize::kOrthogonal : UpdateSize::kSpectral;
}

void describe_scale(Fields& f, ShapeScale& scale) {
  static const std::vector<std::pair<std::string, ShapeScale>> kNames = {
      {"original", ShapeScale::kOriginal}, {"match_rms", ShapeScale::kMatchRms}, {"spectral", ShapeScale::kSpectral}};
  f.choice("scale", scale, kNames,
           "factor of an orthogonal matrix [m, n]: sqrt(max(1, m/n)); 0.2 sqrt(max(m, n)), so that learning rates are "
           "those of adamw; or sqrt(m/n). Rates for one do not serve another");
}

void describe_heads(Fields& f, Heads& heads) {
  static const std::vector<std::pair<std::string, Heads>> kNames = {{"whole", Heads::kWhole}, {"split", Heads::kSplit}};
  f.choice("heads", heads, kNames, "whether the rows of each head (of q, k, v and the like) are a matrix of their own");
}

std::int64_t rows_of_block(const Master& master, Heads heads) {
  const auto rows = master.shape[0], of_head = master.param->head_rows;
  const bool splits = heads == Heads::kSplit && of_head > 0 && rows % of_head == 0;
  return splits ? of_head : rows;
}

at::Tensor scaled_polar_factors(const at::Tensor& x, std::int64_t rows, const PolarConfig& polar, ShapeScale scale) {
  const double factor = shape_scale(scale, rows, x.size(1));
  if (rows == x.size(0)) return polar_factor(x, polar) * factor;
  at::Tensor out = at::empty_like(x);
  for (std::int64_t begin = 0; begin < x.size(0); begin += rows) {
    at::Tensor part = out.narrow(0, begin, rows);
    part.copy_(polar_factor(x.narrow(0, begin, rows), polar)).mul_(factor);
  }
  return out;
}

}  // namespace ingot
