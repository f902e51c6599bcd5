#include "train/step.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "objective/objective.h"
#include "train/micro_batches.h"

namespace ingot {
namespace {

ReducerOptions reducer_options(const Experiment& experiment) {
  const auto& distributed = experiment.config.distributed;
  return {bucket_bytes(*experiment.store, distributed), distributed.wire, distributed.reduction,
          experiment.shards.get(), shares_gradients(experiment)};
}

/// Rounds of the reducer before the step's last one, the same on all ranks.
std::int64_t early_rounds(const Experiment& experiment, const World& world) {
  if (!shares_gradients(experiment)) return 0;
  const auto all = MicroBatches::in_step(experiment.rows_per_step, experiment.micro_batch);
  return (all + world.size() - 1) / world.size() - 1;
}

}  // namespace

BatchTensors to_tensors(const Batch& batch, bool reset_at_document, at::Device device) {
  const auto tensor = [&](const std::vector<std::int32_t>& values) {
    auto* data = const_cast<std::int32_t*>(values.data());  // read only: `to` copies
    const auto host = at::from_blob(data, {batch.rows, batch.seq_len}, at::TensorOptions().dtype(at::kInt));
    // From pinned memory the copy is queued: the host does not wait for the work before it.
    return device.is_cpu() ? host.to(at::kLong) : host.pin_memory().to(device, /*non_blocking=*/true).to(at::kLong);
  };
  BatchTensors out{tensor(batch.tokens), tensor(batch.targets), {}};
  if (reset_at_document) out.documents = tensor(batch.documents);
  return out;
}

TrainStep::TrainStep(Experiment& experiment, World& world)
    : experiment_(experiment),
      world_(world),
      reducer_(*experiment.store, world, reducer_options(experiment)),
      rounds_left_(early_rounds(experiment, world)) {
  if (experiment.shards) exchange_ = std::make_unique<WeightExchange>(*experiment.store, world, *experiment.shards);
}

TrainStep::TrainStep(Experiment& experiment)
    : experiment_(experiment),
      alone_(std::make_unique<World>()),
      world_(*alone_),
      reducer_(*experiment.store, world_, {}) {}

void TrainStep::accumulate(const Batch& batch, bool last) {
  if (batch.target_count == 0) return;
  if (last || shares_gradients(experiment_)) reducer_.arm();
  auto& model = *experiment_.model;
  const auto tensors = to_tensors(batch, experiment_.config.data.reset_at_document, model.device());
  const auto hidden = model.forward(tensors.tokens, tensors.documents, true);
  const auto loss = cross_entropy(hidden, model.head(), tensors.targets, experiment_.config.train.z_loss);
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
  experiment_.store->materialise();
  if (exchange_) exchange_->run();
}

bool TrainStep::is_finite(double loss, double grad_norm) { return std::isfinite(loss) && std::isfinite(grad_norm); }

StepResult TrainStep::finish(std::int64_t update, const Accept& accept) {
  auto& store = *experiment_.store;
  auto& optimizer = *experiment_.optimizer;
  StepResult result;
  while (rounds_left_ > 0) finish_round();  // other ranks had more micro-batches
  reducer_.finish();
  rounds_left_ = early_rounds(experiment_, world_);
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
