#include "train/step.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "objective/objective.h"

namespace ingot {

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

void TrainStep::accumulate(const Batch& batch) {
  if (batch.target_count == 0) return;
  auto& model = *experiment_.model;
  const auto tensors = to_tensors(batch, experiment_.config.data.reset_at_document, model.device());
  const auto hidden = model.forward(tensors.tokens, tensors.documents, true);
  const auto loss = cross_entropy(hidden, model.head(), tensors.targets, experiment_.config.train.z_loss);
  torch::autograd::backward({loss.total}, {});
  const auto sums = at::stack({loss.cross_entropy.detach(), loss.z_loss.detach()}).to(at::kDouble);
  sums_ = sums_.defined() ? sums_.add_(sums) : sums;
  targets_ += batch.target_count;
}

StepResult TrainStep::finish(std::int64_t update) {
  auto& store = *experiment_.store;
  auto& optimizer = *experiment_.optimizer;
  StepResult result;
  result.targets = targets_;
  if (targets_ > 0) {
    const double scale = 1.0 / static_cast<double>(targets_);
    const auto sums = sums_.cpu();
    result.loss = sums[0].item<double>() * scale;
    result.z_loss = sums[1].item<double>() * scale;
    store.pull_back();
    const auto measured = optimizer.measure(scale);
    result.grad_norm = measured.grad_norm;
    result.clip_factor = measured.clip_factor;
    result.applied = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
    if (result.applied) {
      optimizer.step(update, scale * measured.clip_factor);
      store.constrain();
      store.advance();
      store.apply_buffers();
      store.materialise();
    }
  }
  store.zero_grads();
  sums_.reset();
  targets_ = 0;
  return result;
}

}  // namespace ingot
