#include "train/step_probe.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "dist/world.h"
#include "objective/objective.h"

namespace ingot {
namespace {

double sum_of_squares(const at::Tensor& x) { return x.to(at::kDouble).square().sum().item<double>(); }

}  // namespace

StepProbe::StepProbe(TrainSetup& setup, World& world, BatchTensors rows, std::function<void()> refresh)
    : setup_(setup),
      world_(world),
      probe_(setup.optimizer->logit_probe()),
      rows_(std::move(rows)),
      refresh_(std::move(refresh)),
      before_(setup.store->flat_masters().clone()),
      logits_before_(probe_logits()) {}

at::Tensor StepProbe::probe_logits() const {
  if (!rows_.tokens.defined()) return {};
  const c10::NoGradGuard no_grad;
  const auto n = std::min(probe_.tokens, rows_.tokens.size(1));
  const auto first = [n](const at::Tensor& x) { return x.defined() ? x.narrow(0, 0, 1).narrow(1, 0, n) : x; };
  const auto& model = *setup_.model;
  const auto hidden = model.forward(first(rows_.tokens), first(rows_.documents), false);
  const auto z = logits(hidden, model.head()).flatten(0, 1).narrow(1, 0, setup_.vocab_size);  // without padding
  return z.scalar_type() == at::kDouble ? z : z.to(at::kFloat);
}

double StepProbe::reach(const at::Tensor& after) const {
  std::vector<double> mine(2, 0);  // squares of weights and of their move
  for (const Master& part : setup_.store->owned()) {
    const auto old = before_.narrow(0, part.value.storage_offset() - after.storage_offset(), part.numel);
    mine[0] += sum_of_squares(old);
    mine[1] += sum_of_squares(part.value.flatten() - old);
  }
  double weights = 0, move = 0;
  for (const auto& values : world_.all_gather(mine)) {
    weights += values[0];
    move += values[1];
  }
  return move > 0 ? std::min(1.0, probe_.reach * std::sqrt(weights / move)) : 1;
}

double StepProbe::spread() {
  const at::Tensor masters = setup_.store->flat_masters();
  const double share = reach(masters);
  const at::Tensor after = masters.clone();
  keep(share);
  refresh_();
  double mine = 0;
  if (logits_before_.defined()) {
    const at::Tensor change = (probe_logits() - logits_before_) / share;
    const at::Tensor spreads = change.amax(1) - change.amin(1);
    const auto n = spreads.size(0);
    const auto rank = std::clamp<std::int64_t>(std::llround(std::ceil(probe_.quantile * static_cast<double>(n))), 1, n);
    mine = std::get<0>(spreads.kthvalue(rank)).item<double>();
  }
  masters.copy_(after);
  double most = 0;
  for (const auto& values : world_.all_gather({mine})) most = std::max(most, values[0]);
  return most;
}

void StepProbe::keep(double share) {
  const at::Tensor masters = setup_.store->flat_masters();
  if (share != 1) masters.sub_(before_).mul_(share).add_(before_);
}

}  // namespace ingot
