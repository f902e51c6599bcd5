#include "train/step.h"

#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "eval/batch_tensors.h"
#include "objective/objective.h"
#include "train/micro_batches.h"

namespace ingot {
namespace {

ReducerOptions reducer_options(const TrainSetup& setup) {
  const auto& distributed = setup.config.distributed;
  return {bucket_bytes(*setup.store, distributed), distributed.wire, distributed.reduction, setup.shards.get(),
          shares_gradients(setup)};
}

/// Rounds of the reducer before the step's last one, the same on all ranks.
std::int64_t early_rounds(const TrainSetup& setup, const World& world) {
  if (!shares_gradients(setup)) return 0;
  const auto all = MicroBatches::in_step(setup.rows_per_step, setup.micro_batch);
  return (all + world.size() - 1) / world.size() - 1;
}

}  // namespace

TrainStep::TrainStep(TrainSetup& setup, World& world)
    : setup_(setup),
      world_(world),
      reducer_(*setup.store, world, reducer_options(setup)),
      rounds_left_(early_rounds(setup, world)) {
  if (setup.shards) exchange_ = std::make_unique<WeightExchange>(*setup.store, world, *setup.shards);
}

TrainStep::TrainStep(TrainSetup& setup)
    : setup_(setup), alone_(std::make_unique<World>()), world_(*alone_), reducer_(*setup.store, world_, {}) {}

void TrainStep::accumulate(const Batch& batch, bool last) {
  if (batch.target_count == 0) return;
  if (last || shares_gradients(setup_)) reducer_.arm();
  auto& model = *setup_.model;
  const auto tensors = to_tensors(batch, setup_.config.data.reset_at_document, model.device());
  const auto hidden = model.forward(tensors.tokens, tensors.documents, true);
  const auto loss = cross_entropy(hidden, model.head(), tensors.targets, setup_.config.train.z_loss);
  torch::autograd::backward({loss.total}, {});
  const auto sums = at::stack({loss.cross_entropy.detach(), loss.z_loss.detach()}).to(at::kDouble);
  sums_ = sums_.defined() ? sums_.add_(sums) : sums;
  targets_ += batch.target_count;
  if (rounds_left_ > 0) finish_round();
}

void TrainStep::finish_round() {
  reducer_.finish_round();
  --rounds_left_;
}

TrainStep::Sums TrainStep::sum_over_ranks() {
  std::vector<double> mine(3);
  if (sums_.defined()) {
    const auto sums = sums_.cpu();
    mine = {sums[0].item<double>(), sums[1].item<double>(), static_cast<double>(targets_)};
  }
  Sums out;
  for (const auto& values : world_.all_gather(mine)) {
    out.cross_entropy += values[0];
    out.z_loss += values[1];
    out.targets += static_cast<std::int64_t>(values[2]);
  }
  return out;
}

void TrainStep::refresh_weights() {
  setup_.store->materialise();
  if (exchange_) exchange_->run();
}

bool TrainStep::is_finite(double loss, double grad_norm) { return std::isfinite(loss) && std::isfinite(grad_norm); }

StepResult TrainStep::finish(std::int64_t update, const Accept& accept) {
  auto& store = *setup_.store;
  auto& optimizer = *setup_.optimizer;
  StepResult result;
  while (rounds_left_ > 0) finish_round();  // other ranks had more micro-batches
  reducer_.finish();
  rounds_left_ = early_rounds(setup_, world_);
  const auto total = sum_over_ranks();
  result.targets = total.targets;
  if (total.targets > 0) {
    const double scale = 1.0 / static_cast<double>(total.targets);
    result.loss = total.cross_entropy * scale;
    result.z_loss = total.z_loss * scale;
    store.pull_back();
    const SumOverRanks sum = [this](at::Tensor& values) { world_.sum(values); };
    const auto measured = optimizer.measure(scale, sum);
    result.grad_norm = measured.grad_norm;
    result.clip_factor = measured.clip_factor;
    result.applied = accept(result.loss, result.grad_norm);
    if (result.applied) {
      optimizer.step(update, scale * measured.clip_factor, sum);
      store.constrain();
      store.advance();
      store.apply_buffers();
      refresh_weights();
    }
  }
  reducer_.clear();
  sums_.reset();
  targets_ = 0;
  return result;
}

}  // namespace ingot
